"""One token with a full cache under every recipe, in turn with the model as it is."""

from __future__ import annotations

from plena_cosim.ground.progress import Progress

from .effort import Effort
from .forward import RECIPES, quantized
from .models import decode, filled_cache, subject
from .part import Part, Row, ratio_row
from .timing import race

AT_MOST = {"fake": 1.3, "exact": 3.0}
CACHED = 512


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each recipe and numerics."""
    base, ids = subject(full=effort.full, tokens=1 + (CACHED if effort.full else 32))
    token, before = ids[:, -1:], ids[:, :-1]
    cache = filled_cache(base, before)
    steps = len(AT_MOST) * (len(RECIPES) if effort.full else 1)
    rows: list[Row] = []
    for recipe, numerics, model in quantized(base, effort):
        progress("decode", len(rows), steps)
        own = filled_cache(model, before)
        times = race(
            {
                "unquantised": lambda: decode(base, cache, token),
                numerics: lambda m=model, c=own: decode(m, c, token),
            },
            effort,
            at_most_seconds=3,
        )
        goal, label = AT_MOST[numerics], f"{recipe}, {numerics}"
        rows.append(ratio_row(times, numerics, "unquantised", label=label, at_most=goal))
    progress("decode", steps, steps)
    return rows


PART = Part(
    name="decode",
    about=f"One token of the demo model with a cache of {CACHED}, under every recipe.",
    minutes=3,
    measure=measure,
)
