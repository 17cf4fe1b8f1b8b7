"""When a stream pauses: seeded generators of True (pause this cycle) and False."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

Pauses = Callable[[random.Random], Iterator[bool]]


def never(rng: random.Random) -> Iterator[bool]:
    """Never pause."""
    while True:
        yield False


def bursts(rng: random.Random) -> Iterator[bool]:
    """Pause in stretches of up to 12 cycles whose density goes from none to every cycle."""
    while True:
        density = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0])
        for _ in range(rng.randint(1, 12)):
            yield rng.random() < density
