"""CUDA gives what the CPU gives, which golden has confirmed."""

from __future__ import annotations

import pytest
import torch

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import (
    ExactnessError,
    cast,
    matmul,
    quantize,
    quantize_affine,
    quantize_blocks,
    quantize_mx,
)
from plena_cosim.golden.affine import Granularity
from plena_cosim.golden.blocks import BLOCK_FORMATS

from ..golden.affine.cases import FORMATS as AFFINE_FORMATS
from ..golden.affine.cases import finite_groups
from ..golden.affine.cases import label as affine_label
from .operations import BF16, OPERATIONS, SHAPE
from .samples import FORMATS, label, pairs, usual_codes, values

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

MX_FORMATS = [spec for spec in golden.FORMATS.values() if isinstance(spec, golden.Mx)]


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    a, b = a.cpu().double(), b.cpu().double()
    return torch.equal(
        a.nan_to_num(nan=0.5).view(torch.int64), b.nan_to_num(nan=0.5).view(torch.int64)
    )


@pytest.mark.parametrize("mx", MX_FORMATS, ids=lambda mx: mx.name)
def test_quantize(mx: golden.Mx) -> None:
    x = torch.randn(70, 300) * torch.ldexp(torch.ones(70, 300), torch.randint(-140, 100, (70, 300)))
    x[3, 7], x[5] = torch.inf, 0.0
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        for axis in (0, 1):
            given = x.to(dtype)
            assert same_bits(quantize(given.cuda(), mx, axis), quantize(given, mx, axis))


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_quantize_blocks(name: str) -> None:
    x = torch.randn(70, 300) * torch.ldexp(torch.ones(70, 300), torch.randint(-140, 100, (70, 300)))
    x[3, 7], x[5] = torch.inf, 0.0
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for axis in (0, 1):
            for given in (x.to(dtype), x[:1].to(dtype), torch.randn(70, 300).to(dtype)):
                cuda, cpu = (quantize_blocks(each, name, axis) for each in (given.cuda(), given))
                assert same_bits(cuda, cpu)


@pytest.mark.parametrize("fmt", AFFINE_FORMATS[::7], ids=affine_label)
def test_quantize_affine(fmt: golden.affine.AffineFormat) -> None:
    x = torch.from_numpy(finite_groups(1))
    for dtype in (torch.float32, torch.bfloat16):
        for granularity in (Granularity(kind="channel", ch_axis=0), Granularity()):
            given = x.to(dtype)
            cuda = quantize_affine(given.cuda(), fmt, granularity)
            assert same_bits(cuda, quantize_affine(given, fmt, granularity))


@pytest.mark.parametrize("acc", ["fp32", "bf16", "e6m5", "q16.16"])
@pytest.mark.parametrize("name", ["mxint8", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp8_e5m2"])
def test_matmul(name: str, acc: str) -> None:
    mx = golden.get_format(name)
    x, w = torch.randn(700, 300), torch.randn(300, 1700)
    hw = golden.HardwareConfig(accumulator_format=golden.get_format(acc))
    cpu = matmul(quantize_mx(x, mx), quantize_mx(w, mx, 0), hw)
    cuda = matmul(quantize_mx(x.cuda(), mx), quantize_mx(w.cuda(), mx, 0), hw)
    assert same_bits(cuda, cpu)


def test_cast() -> None:
    x = torch.randn(10_000) * 100
    for name in ("bf16", "e4m3", "e6m5", "q8.4"):
        fmt = golden.get_format(name)
        assert same_bits(cast(x.cuda(), fmt), cast(x, fmt))


@pytest.mark.parametrize("specials", [0.0, 0.02], ids=["finite", "specials"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_vector_operations(name: str, specials: float) -> None:
    x = values(usual_codes(BF16, SHAPE, 1, specials=specials), BF16)
    assert same_bits(OPERATIONS[name](x.cuda()), OPERATIONS[name](x))


@pytest.mark.parametrize("fmt", FORMATS, ids=label)
def test_arithmetic_of_every_format(fmt: golden.Minifloat) -> None:
    a, b = (values(codes, fmt) for codes in pairs(fmt))
    for name in ("add", "sub", "mul", "max", "min"):
        operation = getattr(fakequant, name)
        assert same_bits(operation(a.cuda(), b.cuda(), fmt), operation(a, b, fmt)), name


def test_tf32_is_refused() -> None:
    mx = golden.get_format("mxint8")
    x = quantize_mx(torch.ones(2, 2, device="cuda"), mx)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with pytest.raises(ExactnessError, match=r"precision|TF32"):
            matmul(x, quantize_mx(torch.ones(2, 2, device="cuda"), mx, 0), golden.HardwareConfig())
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
