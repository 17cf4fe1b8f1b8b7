"""torch.set_default_dtype changes no bit and refuses nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from plena_cosim import golden
from plena_cosim.fakequant import (
    cast,
    matmul,
    quantize,
    quantize_affine,
    quantize_blocks,
    quantize_mx,
    round_once,
)
from plena_cosim.golden.affine import AffineInt, ScaledFp
from plena_cosim.golden.blocks import BLOCK_FORMATS

from .operations import BF16, OPERATIONS, SHAPE
from .samples import usual_codes, values

MX = golden.get_format("mxint8", block_size=2)
X = values(usual_codes(BF16, SHAPE, 3), BF16)


@pytest.fixture(params=[torch.float64, torch.float16, torch.bfloat16], ids=str)
def default_dtype(request: pytest.FixtureRequest) -> Iterator[None]:
    torch.set_default_dtype(request.param)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("default_dtype")
def test_values_are_those_under_float32() -> None:
    wide = torch.tensor([1.0, 1 / 3, 1 + 2.0**-8 + 2.0**-40], dtype=torch.float64)
    calls = {
        **{name: lambda call=call: call(X) for name, call in OPERATIONS.items()},
        "quantize": lambda: quantize(wide, MX),
        **{name: lambda name=name: quantize_blocks(X, name) for name in BLOCK_FORMATS},
        **{
            fmt.name: lambda fmt=fmt: quantize_affine(wide, fmt)
            for fmt in (
                AffineInt(bits=4, zero_point="int32", quotient="reciprocal"),
                AffineInt(bits=3, zero_point="float32", scale="bf16"),
                AffineInt(bits=5, scale="e8m0"),
                ScaledFp(element="e2m1", scale="e4m3"),
            )
        },
        "narrow": lambda: round_once(wide, torch.bfloat16),
        "directed": lambda: cast(wide, BF16, rounding="rup"),
        "product": lambda: matmul(
            quantize_mx(wide[None], MX), quantize_mx(wide[:, None], MX, 0), golden.HardwareConfig()
        ),
    }
    found = {name: call() for name, call in calls.items()}
    torch.set_default_dtype(torch.float32)
    for name, call in calls.items():
        expected = call()
        assert found[name].dtype == expected.dtype, name
        assert torch.equal(found[name].nan_to_num(), expected.nan_to_num()), name
