"""The matrix unit on one core: multiply-accumulates a second, and what building takes.

`mx_mm` with a depth of 64 multiplies random codes in sums of nine slices, as a linear layer of 576
inputs does. Beside it stands NumPy's product of integers of the same sizes, which is one plain loop
a core. A build counts with a cold cache: seconds, and the memory of its largest process.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from plena_cosim.ground.progress import Progress
from plena_cosim.ground.scratch_folder import scratch_folder
from plena_cosim.sim import load_block
from plena_cosim.sim.stimuli.stimuli import sample
from plena_cosim.sim.verilate.model import PLAYER, SHORT

from .effort import Effort
from .part import Goal, Part, Row
from .timing import Spread

PAIRS = (("mxint4", "mxint4"), ("mxfp8_e4m3", "mxfp8_e4m3"))
SLICES = 9
"""Of a sum: 576 / 64."""


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return speed and cost of building, for each pair of formats; toys take the first."""
    rows = []
    pairs = PAIRS if effort.full else PAIRS[:1]
    for done, pair in enumerate(pairs):
        progress("matrix_unit", done, len(pairs))
        rows += _pair(pair, *((32, 64) if effort.full else (2, 32)), effort)
    progress("matrix_unit", len(pairs), len(pairs))
    return rows


def _pair(pair: tuple[str, str], edge: int, depth: int, effort: Effort) -> list[Row]:
    with scratch_folder("the matrix unit") as cache:
        began = time.perf_counter()
        unit = load_block(
            "mx_mm", a=pair[0], b=pair[1], acc="fp32", v="bf16",
            rows=edge, cols=edge, depth=depth, cache=cache if effort.full else None,
            flavour=PLAYER if effort.full else SHORT,
        )  # fmt: skip
        build_seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    most = 1 << (17 if effort.full else 9)
    count = max(SLICES * most // (edge * edge), SLICES) // SLICES * SLICES
    beats = dict(sample(unit.op, unit.formats, seed=0, count=count))
    place = np.arange(count) % SLICES
    beats["first"], beats["write"] = place == 0, place == SLICES - 1
    rng = np.random.default_rng(0)
    sizes = ((edge, SLICES * depth), (SLICES * depth, edge))
    left, right = (rng.integers(-7, 8, size, dtype=np.int32) for size in sizes)
    speeds, shares = [], []
    for _ in range(effort.rounds):
        began = time.process_time()
        unit.play(beats)
        seconds = time.process_time() - began
        began = time.process_time()
        for _ in range(count // SLICES):
            left @ right
        shares.append((time.process_time() - began) / seconds)
        speeds.append(count * depth * edge * edge / seconds / 1e6)
    name = f"{pair[0]} × {pair[1]}, {edge} × {edge} lanes"
    return [
        Row(
            what=f"speed, {name}",
            unit="M MAC/s",
            figure=Spread.of(speeds),
            goal=Goal(at_least=150),
            less_is_better=False,
            note="processor time",
        ),
        Row(
            what=f"speed as a share of NumPy's int32 product, {name}",
            figure=Spread.of(shares),
            less_is_better=False,
        ),
        Row(
            what=f"build, {name}",
            unit="s",
            figure=Spread.of([build_seconds]),
            goal=Goal(at_most=120),
            note="with a cold cache",
        ),
        Row(
            what=f"largest process of the build, {name}",
            unit="GB",
            figure=Spread.of([peak / 1e9]),
            goal=Goal(at_most=1.5),
        ),
    ]


PART = Part(
    name="matrix_unit",
    about="`mx_mm` on one core, sums of nine slices of 64.",
    minutes=2.5,
    measure=measure,
)
