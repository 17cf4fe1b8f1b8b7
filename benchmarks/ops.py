"""Operations on codes against torch's own in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.ground.progress import Progress

from .effort import Effort
from .part import Part, Row, ratio_row
from .timing import Work, race

AT_MOST = 4.0


def works(x: Tensor, y: Tensor) -> dict[str, tuple[Work, Work]]:
    """Return ours and torch's work by the name of the operation.

    Args:
        x, y: (rows, columns) float32 values of bf16; `y` positive.
    """
    ones, zeros = torch.ones(x.shape[-1]), torch.zeros(x.shape[-1])
    cos, sin = fakequant.cast(y.cos(), "bf16"), fakequant.cast(y.sin(), "bf16")

    def rotate() -> Tensor:
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat([-second, first], -1) * sin

    def hf_rms_norm() -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], ones, 1e-5)

    return {
        "add": (lambda: fakequant.add(x, y, "bf16"), lambda: x + y),
        "mul": (lambda: fakequant.mul(x, y, "bf16"), lambda: x * y),
        "max": (lambda: fakequant.max(x, y, "bf16"), lambda: torch.maximum(x, y)),
        "cast": (lambda: fakequant.cast(x, "bf16"), lambda: x.to(torch.bfloat16)),
        "exp": (lambda: fakequant.exp(x, "bf16"), lambda: x.exp()),
        "exp2": (lambda: fakequant.exp2(x, "bf16"), lambda: x.exp2()),
        "reciprocal": (lambda: fakequant.reciprocal(y, "bf16"), lambda: y.reciprocal()),
        "sqrt": (lambda: fakequant.sqrt(y, "bf16"), lambda: y.sqrt()),
        "rsqrt": (lambda: fakequant.rsqrt(y, "bf16"), lambda: y.rsqrt()),
        "sigmoid": (lambda: fakequant.sigmoid(x, "bf16"), lambda: x.sigmoid()),
        "silu": (lambda: fakequant.silu(x, "bf16"), lambda: functional.silu(x)),
        "gelu_tanh": (
            lambda: fakequant.gelu_tanh(x, "bf16"),
            lambda: functional.gelu(x, approximate="tanh"),
        ),
        "swiglu": (lambda: fakequant.swiglu(x, y, "bf16"), lambda: functional.silu(x) * y),
        "reduce_sum": (
            lambda: fakequant.reduce_sum(x[:, :64], 1, 0.0, "bf16", "fp32"),
            lambda: x[:, :64].sum(-1),
        ),
        "softmax": (
            lambda: fakequant.softmax(x, 1, "bf16", "fp32", lanes=64),
            lambda: x.softmax(-1),
        ),
        "rms_norm": (
            lambda: fakequant.rms_norm(x, ones, 2.0**-17, "bf16", "fp32", lanes=64),
            hf_rms_norm,
        ),
        "layer_norm": (
            lambda: fakequant.layer_norm(x, ones, zeros, 2.0**-17, "bf16", "fp32", lanes=64),
            lambda: functional.layer_norm(x, x.shape[-1:], ones, zeros),
        ),
        "rope": (lambda: fakequant.rope(x, cos, sin, "bf16"), rotate),
    }


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each operation."""
    size = (512, 1536) if effort.full else (64, 512)
    draw = torch.Generator().manual_seed(0)
    x = fakequant.cast(torch.randn(size, generator=draw), "bf16")
    y = fakequant.cast(torch.rand(size, generator=draw) + 0.5, "bf16")
    rows = []
    every = works(x, y)
    for done, (name, (ours, torchs)) in enumerate(every.items()):
        progress("ops", done, len(every))
        times = race({"exact": ours, "torch": torchs}, effort, at_most_seconds=5)
        label = f"{name} in bf16"
        rows.append(ratio_row(times, "exact", "torch", label=label, at_most=AT_MOST))
    progress("ops", len(every), len(every))
    return rows


PART = Part(
    name="ops",
    about="512 × 1536 values of bf16, reductions in fp32 over 64 lanes; torch's float32 op beside.",
    minutes=0.7,
    measure=measure,
    quick=True,
)
