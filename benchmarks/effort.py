"""How much of a part is measured, and by which clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a part measures.

    Attributes:
        full: the sizes that goals speak of; else toy sizes, which take seconds.
        rounds: of everything that is timed.
        threads: of torch and of kernels.
    """

    full: bool
    rounds: int
    threads: int = 1

    @property
    def clock(self) -> Callable[[], float]:
        """The time of the wall; for toy sizes the processor's, which other processes move less."""
        return time.perf_counter if self.full else time.process_time
