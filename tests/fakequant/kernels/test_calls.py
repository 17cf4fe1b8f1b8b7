"""Kernels of the vector unit give what torch's steps give, in every bit that is defined."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from plena_cosim import fakequant, golden
from plena_cosim.fakequant.kernels import torch_steps

FORMATS = ["bf16", "fp16", "e6m5", "e4m3", "e5m2", "e4m3fnuz", "e2m1", "e2m0", "fp32"]
FP32 = golden.get_format("fp32")


def values(fmt: golden.Minifloat, shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Values of a format, every kind among them, NaN with several payloads."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 1 << fmt.width_bits, shape, generator=generator)
    special = [fmt.inf_code] if fmt.has_inf else []
    special += [fmt.nan_code] if fmt.has_nan else []
    corners = torch.tensor([0, 1, fmt.max_code - 1, fmt.max_code, *special])
    corners = torch.cat([corners, corners ^ (1 << (fmt.width_bits - 1))])
    corner = corners[torch.randint(0, len(corners), shape, generator=generator)]
    codes = torch.where(torch.rand(shape, generator=generator) < 0.5, corner, codes)
    x = torch.from_numpy(golden.decode(codes.numpy(), fmt)).float()
    ordinary = fakequant.cast(torch.randn(shape, generator=generator), fmt)
    x = torch.where(torch.rand(shape, generator=generator) < 0.6, ordinary, x)
    if fmt.has_nan:
        bits = x.view(torch.int32)
        payload = torch.randint(1, 1 << 22, shape, generator=generator, dtype=torch.int32)
        x = torch.where(x.isnan(), bits | payload, bits).view(torch.float32)
    return x


def assert_both_ways(function: Callable[[], Tensor]) -> None:
    ours = function()
    with torch_steps():
        theirs = function()
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    same = (ours == theirs) & (ours.signbit() == theirs.signbit())
    assert bool((same | (ours.isnan() & theirs.isnan())).all())


SHAPES: dict[str, Callable[[golden.Minifloat], tuple[Tensor, Tensor]]] = {
    "alike": lambda f: (values(f, (70, 1000), seed=1), values(f, (70, 1000), seed=2)),
    "rows": lambda f: (values(f, (3, 5, 64), seed=1), values(f, (5, 1), seed=2)),
    "columns": lambda f: (values(f, (3, 5, 64), seed=1), values(f, (64,), seed=2)),
    "repeated": lambda f: (values(f, (2, 3, 5, 8), seed=1), values(f, (1, 1, 5, 8), seed=2)),
    "one": lambda f: (values(f, (9, 33), seed=1), values(f, (), seed=2)),
    "outer": lambda f: (values(f, (7, 1), seed=1), values(f, (1, 9), seed=2)),
    "turned": lambda f: (values(f, (65, 9), seed=1).t(), values(f, (9, 65, 2), seed=2)[..., 1]),
    "nothing": lambda f: (values(f, (0, 4), seed=1), values(f, (1, 4), seed=2)),
    "no axis": lambda f: (values(f, (), seed=1), values(f, (), seed=2)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FORMATS)
def test_operations_of_two_values(name: str, shape: str) -> None:
    fmt = golden.get_format(name)
    a, b = SHAPES[shape](fmt)
    for operation in (fakequant.add, fakequant.sub, fakequant.mul, fakequant.max, fakequant.min):
        assert_both_ways(lambda operation=operation: operation(a, b, fmt))
    if fmt.width_bits <= 16:
        assert_both_ways(lambda: fakequant.swiglu(a, b, fmt))


@pytest.mark.parametrize("name", FORMATS[:-1])
def test_every_code_is_looked_up(name: str) -> None:
    fmt = golden.get_format(name)
    codes = torch.arange(1 << fmt.width_bits).numpy()
    x = torch.from_numpy(golden.decode(codes, fmt)).float()
    for operation in (fakequant.exp, fakequant.reciprocal, fakequant.sigmoid):
        assert_both_ways(lambda operation=operation: operation(x, fmt))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", FORMATS)
def test_casts_of_any_bits(name: str, dtype: torch.dtype) -> None:
    fmt = golden.get_format(name)
    generator = torch.Generator().manual_seed(3)
    bits = torch.randint(-(1 << 31), 1 << 31, (40_000,), generator=generator).to(torch.int32)
    assert_both_ways(lambda: fakequant.cast(bits.view(dtype), fmt))
    near = values(fmt, (4096,), seed=4).nextafter(torch.tensor(1.0)).to(dtype)
    assert_both_ways(lambda: fakequant.cast(near, fmt))


@pytest.mark.parametrize("width", [1, 37, 96])
@pytest.mark.parametrize("lanes", [None, 1, 3, 8, 12, 64])
@pytest.mark.parametrize("name", ["bf16", "e6m5", "e4m3fnuz"])
def test_rows(name: str, lanes: int | None, width: int) -> None:
    fmt = golden.get_format(name)
    x = values(fmt, (2, 3, 5, width), seed=width)
    x[0] = fakequant.cast(torch.randn(3, 5, width), fmt)
    gain, shift = values(fmt, (width,), seed=5), values(fmt, (5, width), seed=6)
    mask = torch.rand(5, width, generator=torch.Generator().manual_seed(7)) < 0.7
    mask[0] = False
    for selected in (1, mask, mask[:, :1]):
        assert_both_ways(partial(fakequant.softmax, x, selected, fmt, FP32, lanes=lanes))
        for reduction in (fakequant.reduce_sum, fakequant.reduce_max):
            reduce = partial(fakequant.reduce_rows, reduction, x, 0.5, fmt, FP32, lanes=lanes)
            assert_both_ways(partial(reduce, mask=selected))
    assert_both_ways(partial(fakequant.rms_norm, x, gain, 0.0, fmt, FP32, lanes=lanes))
    assert_both_ways(partial(fakequant.layer_norm, x, gain, shift, 0.0, fmt, FP32, lanes=lanes))


def test_sums_that_overflow_saturate_step_by_step() -> None:
    x = torch.tensor([[3e38, 3e38, -3e38, 1.0], [torch.inf, 1.0, 2.0, -torch.inf]])
    assert_both_ways(lambda: fakequant.reduce_sum(x, 1, -1e38, FP32, FP32))


@pytest.mark.parametrize("name", ["bf16", "e4m3"])
def test_pairs_turn(name: str) -> None:
    fmt = golden.get_format(name)
    x = values(fmt, (2, 3, 7, 24), seed=8)
    cos, sin = values(fmt, (7, 24), seed=9), values(fmt, (1, 1, 7, 24), seed=10)
    for stride in (None, 1, 4):
        assert_both_ways(
            lambda stride=stride: fakequant.rope(
                x.transpose(1, 2), cos[:, None], sin.transpose(1, 2), fmt, stride=stride
            )
        )


def test_threads_change_nothing() -> None:
    fmt = golden.get_format("bf16")
    x, y = values(fmt, (600, 400), seed=11), values(fmt, (600, 400), seed=12)
    operations: list[Callable[[], Tensor]] = [
        lambda: fakequant.add(x, y, fmt),
        lambda: fakequant.exp(x, fmt),
        lambda: fakequant.cast(x * 1.3, fmt),
        lambda: fakequant.softmax(x, 1, fmt, FP32, lanes=64),
    ]
    for function in operations:
        alone = function()
        torch.set_num_threads(3)
        among = function()
        torch.set_num_threads(1)
        assert torch.equal(alone.view(torch.int32), among.view(torch.int32))
