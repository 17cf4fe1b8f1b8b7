"""Simulate the matrix unit on one core: multiply-accumulates a second, and what building takes.

    python benchmarks/matrix_unit.py [--edge 32] [--rounds 5] [--json FILE]

`mx_mm` with edge x edge lanes and a depth of 64 multiplies random codes in sums of nine slices, as
a linear layer of 576 inputs does. The fastest round counts, in processor time. Beside it stands
NumPy's product of integers of the same sizes in the same run, which is one plain loop a core.
A build counts with a cold cache: seconds, and the memory of its largest process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")  # read when NumPy is imported

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from plena_cosim.evaluate.record import describe_run, write_json  # noqa: E402
from plena_cosim.sim import load_block  # noqa: E402
from plena_cosim.sim.stimuli.stimuli import sample  # noqa: E402

PAIRS = (
    ("mxint4", "mxint4"),
    ("mxint8", "mxint8"),
    ("mxfp4_e2m1", "mxfp4_e2m1"),
    ("mxfp8_e4m3", "mxfp8_e4m3"),
    ("mxint16", "mxint4"),
    ("mxint16", "mxint16"),
)
DEPTH = 64
SLICES = 9
"""Of a sum: 576 / 64."""


def measure(pair: tuple[str, str], edge: int, rounds: int) -> dict[str, Any]:
    """Return figures of one pair of formats: build, speed, speed of NumPy's loop."""
    with tempfile.TemporaryDirectory() as cache:
        began = time.perf_counter()
        unit = load_block(
            "mx_mm", a=pair[0], b=pair[1], acc="fp32", v="bf16",
            rows=edge, cols=edge, depth=DEPTH, cache=Path(cache),
        )  # fmt: skip
        build_seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    count = max(SLICES * (1 << 17) // (edge * edge), SLICES) // SLICES * SLICES
    beats = sample(unit.op, unit.formats, seed=0, count=count)
    place = np.arange(count) % SLICES
    beats["first"], beats["write"] = place == 0, place == SLICES - 1
    macs = count * DEPTH * edge * edge
    unit_seconds, cycles = float("inf"), 0
    for _ in range(rounds):
        began = time.process_time()
        cycles = unit.play(beats).cycles
        unit_seconds = min(unit_seconds, time.process_time() - began)
    rng = np.random.default_rng(0)
    left, right = (rng.integers(-7, 8, size, dtype=np.int32) for size in ((edge, 576), (576, edge)))
    products = count // SLICES
    loop_seconds = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(products):
            left @ right
        loop_seconds = min(loop_seconds, time.process_time() - began)
    return {
        "a": pair[0],
        "b": pair[1],
        "edge": edge,
        "build_seconds": build_seconds,
        "build_peak_bytes": peak * 1024,
        "cycles": cycles,
        "cycles_per_second": cycles / unit_seconds,
        "macs_per_second": macs / unit_seconds,
        "numpy_macs_per_second": products * edge * edge * 576 / loop_seconds,
    }


def main() -> None:
    """Measure every pair of formats, show a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--edge", type=int, default=32, help="rows and columns of lanes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("results/bench/matrix_unit.json"))
    given = parser.parse_args()
    table = Table(title=f"mx_mm, {given.edge} x {given.edge} lanes, one core")
    for heading in ("operands", "M MAC/s", "k cycles/s", "x NumPy int32", "build s", "peak GB"):
        table.add_column(
            heading, justify="left" if heading == "operands" else "right", no_wrap=True
        )
    found = []
    for pair in PAIRS:
        one = measure(pair, given.edge, given.rounds)
        found.append(one)
        table.add_row(
            " x ".join(pair),
            f"{one['macs_per_second'] / 1e6:.0f}",
            f"{one['cycles_per_second'] / 1e3:.0f}",
            f"{one['macs_per_second'] / one['numpy_macs_per_second']:.2f}",
            f"{one['build_seconds']:.0f}",
            f"{one['build_peak_bytes'] / 1e9:.2f}",
        )
    Console(width=80).print(table)
    write_json(given.json, {**describe_run(seed=0, config_sha256=None), "figures": found})


if __name__ == "__main__":
    main()
