"""Hadamard transforms against a dense product, and against a copy."""

from __future__ import annotations

import torch

from plena_cosim import fakequant
from plena_cosim.ground.progress import Progress

from .effort import Effort
from .part import Part, Row, ratio_row, speedup_row
from .timing import race


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return rows against the dense product for each block, and against a copy."""
    size = (2048, 1536) if effort.full else (128, 512)
    blocks = (64, 128, 256, 512) if effort.full else (64,)
    x = torch.randn(size, generator=torch.Generator().manual_seed(0))
    x = fakequant.cast(x, "bf16")
    target = torch.empty_like(x)
    found: list[Row] = []
    for done, block in enumerate(blocks):
        progress("hadamard", done, len(blocks))
        matrix = fakequant.hadamard(torch.eye(block), "bf16", block=block)
        times = race(
            {
                "copy": lambda: target.copy_(x),
                "dense": lambda m=matrix, b=block: x.view(-1, b) @ m,
                "exact": lambda b=block: fakequant.hadamard(x, "bf16", block=b),
            },
            effort,
            at_most_seconds=20,
        )
        label = f"times faster than a dense product, blocks of {block}"
        found.append(speedup_row(times, "exact", "dense", label=label, at_least=3.0))
        label = f"exact in bf16, blocks of {block}"
        at_most = 4.0 if block == 64 else None
        found.append(ratio_row(times, "exact", "copy", label=label, at_most=at_most))
    progress("hadamard", len(blocks), len(blocks))
    return found


PART = Part(
    name="hadamard",
    about="2048 × 1536 values; the dense product is torch's, in float32, by the same matrix.",
    minutes=1,
    measure=measure,
    quick=True,
)
