"""Exact matrix products against torch's own in float32."""

from __future__ import annotations

import torch

from plena_cosim import golden
from plena_cosim.fakequant import matmul, quantize_mx
from plena_cosim.golden import HardwareConfig
from plena_cosim.ground.progress import Progress

from .effort import Effort
from .part import Part, Row, ratio_row
from .timing import race

CASES = (
    ("mxint4", "mxint4", "fp32", 3.0),
    ("mxint8", "mxint8", "fp32", 3.0),
    ("mxint8", "mxint4", "fp32", 6.0),
    ("mxint8", "mxfp4_e2m1", "fp32", 6.0),
    ("mxfp4_e2m1", "mxfp4_e2m1", "fp32", 6.0),
    ("mxfp8_e4m3", "mxfp8_e4m3", "fp32", 6.0),
    ("mxint8", "mxint8", "bf16", 6.0),
    ("mxfp8_e4m3", "mxfp8_e4m3", "bf16", 6.0),
    ("mxfp8_e5m2", "mxfp8_e5m2", "fp32", 10.0),
    ("mxint8", "mxint8", "q24.8", 10.0),
)
"""Formats of both operands, format of the sums, goal."""


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each pair of formats and format of sums."""
    rows_x, depth, columns = (512, 576, 1536) if effort.full else (64, 192, 128)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(rows_x, depth, generator=draw)
    w = torch.randn(depth, columns, generator=draw)
    found = []
    for done, (a, b, sums, goal) in enumerate(CASES):
        progress("matmul", done, len(CASES))
        hw = HardwareConfig(accumulator_format=golden.get_format(sums))
        left, right = quantize_mx(x, a), quantize_mx(w, b, 0)
        times = race(
            {
                "torch": lambda: x @ w,
                "exact": lambda left=left, right=right, hw=hw: matmul(left, right, hw),
            },
            effort,
            at_most_seconds=15,
        )
        label = f"{a} × {b}, sums in {sums}"
        found.append(ratio_row(times, "exact", "torch", label=label, at_most=goal))
    progress("matmul", len(CASES), len(CASES))
    return found


PART = Part(
    name="matmul",
    about="512 × 576 × 1536, operands quantised before; torch's own product of float32 beside it.",
    minutes=1,
    measure=measure,
    quick=True,
)
