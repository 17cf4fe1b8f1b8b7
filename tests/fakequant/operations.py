"""Every vector operation, as a function of one tensor of bf16 values of shape SHAPE."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import quantize_mx

from .samples import usual_codes, values

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")
SHAPE = (7, 9, 64)
GAMMA, BETA = (values(usual_codes(BF16, SHAPE[-1:], seed, specials=0), BF16) for seed in (1, 2))
MASK = torch.ones(9, 64).tril(20)

OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "cast": lambda x: fakequant.cast(x, golden.get_format("e4m3")),
    "add": lambda x: fakequant.add(x, GAMMA, BF16),
    "mul": lambda x: fakequant.mul(x, GAMMA, golden.get_format("e8m15")),
    "max": lambda x: fakequant.max(x, GAMMA, BF16),
    "exp": lambda x: fakequant.exp(x, BF16),
    "silu": lambda x: fakequant.silu(x, BF16),
    "swiglu": lambda x: fakequant.swiglu(x, GAMMA, BF16),
    "reduce_sum": lambda x: fakequant.reduce_sum(x, MASK, 0.5, BF16, BF16),
    "reduce_max": lambda x: fakequant.reduce_max(x, MASK, -1.0, BF16, FP32),
    "softmax": lambda x: fakequant.softmax(x, MASK, BF16, FP32, lanes=16),
    "rms_norm": lambda x: fakequant.rms_norm(x, GAMMA, 1e-5, BF16, FP32, lanes=16),
    "layer_norm": lambda x: fakequant.layer_norm(x, GAMMA, BETA, 1e-5, BF16, FP32, lanes=16),
    "rope": lambda x: fakequant.rope(x, GAMMA, BETA, BF16),
    "hadamard": lambda x: fakequant.hadamard(x, BF16),
    "attention": lambda x: attention(x),
}


def attention(x: Tensor) -> Tensor:
    """Attend from each row of x to all of them."""
    x = x.nan_to_num(nan=1.0).clamp(-4.0, 4.0)
    mx, hw = golden.get_format("mxint8", block_size=8), golden.HardwareConfig(vlen=8)
    q, v = quantize_mx(x, mx), quantize_mx(x, mx, -2)
    return fakequant.attention(q, q, v, mx, hw, mask=torch.ones(9, 9).tril())
