"""fakequant.quantize_affine and affine_scale equal golden in every bit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import golden
from plena_cosim.fakequant import ExactnessError, affine_scale, quantize_affine
from plena_cosim.golden.affine import AffineInt, Granularity, ScaledFp, ZeroPoint

from ..golden.affine.cases import (
    ELEMENTS,
    FORMATS,
    WIDTHS,
    finite_groups,
    integer_formats,
    label,
    minifloat_formats,
    special_groups,
)

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
NARROW = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
INT4 = AffineInt(bits=4, zero_point="int32")


def expected(x: torch.Tensor, fmt: Any, granularity: Granularity, **given: Any) -> Any:
    """golden's values of a tensor, rounded once to its dtype by golden's own encoder."""
    affine = golden.affine
    groups = affine.to_groups(x.double().numpy(), granularity)
    values = affine.dequantize_affine(affine.quantize_affine(groups, fmt, **given), fmt)
    exact = affine.from_groups(values, tuple(x.shape), granularity).astype(np.float64)
    if x.dtype == torch.float64:
        return exact
    narrow = golden.get_format(NARROW[x.dtype])
    return golden.decode(golden.encode(exact, narrow, overflow="ieee"), narrow)


ROWS = torch.from_numpy(np.concatenate([finite_groups(20), special_groups()]))
BY_ROW = Granularity(kind="channel", ch_axis=0)


@pytest.mark.parametrize(("bits", "signed"), WIDTHS)
def test_integers_of_every_combination(bits: int, signed: bool, assert_same: Any) -> None:
    for fmt in integer_formats(bits, signed=signed):
        assert_same(quantize_affine(ROWS, fmt, BY_ROW), expected(ROWS, fmt, BY_ROW))


@pytest.mark.parametrize("element", [*ELEMENTS, "e4m3fnuz", "e3m4", "e1m2"])
def test_minifloats_of_every_combination(element: str, assert_same: Any) -> None:
    finite = torch.from_numpy(finite_groups(21))
    for fmt, rows in itertools.product(minifloat_formats(element), (finite, ROWS, finite[2:9])):
        assert_same(quantize_affine(rows, fmt, BY_ROW), expected(rows, fmt, BY_ROW))


@pytest.mark.parametrize("exp", [-149, -127, -118, -116, -100, 0, 126])
def test_a_tensor_of_any_magnitude(exp: int, assert_same: Any) -> None:
    rows = np.float32([[1.0, -1.5], [0.7, 0.0], [1e-4, 0.0], [0.0, -0.0]])
    x = torch.from_numpy(np.ldexp(rows, exp))
    for element in ELEMENTS:
        for fmt in minifloat_formats(element):
            assert_same(quantize_affine(x, fmt, BY_ROW), expected(x, fmt, BY_ROW))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype: torch.dtype, assert_same: Any) -> None:
    x = torch.from_numpy(finite_groups(22)).to(dtype)
    x = x * (1 + 2.0**-30) if dtype == torch.float64 else x
    for fmt in FORMATS[:: len(FORMATS) // 60]:
        found = quantize_affine(x, fmt, BY_ROW)
        assert found.dtype == dtype
        assert_same(found, expected(x, fmt, BY_ROW))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_every_16_bit_pattern(dtype: torch.dtype, assert_same: Any) -> None:
    patterns = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).view(dtype)
    by_eight = Granularity(kind="group", ch_axis=0, group_size=8)
    for fmt in (INT4, AffineInt(bits=8, scale="e8m0"), ScaledFp(element="e4m3")):
        assert_same(quantize_affine(patterns, fmt, by_eight), expected(patterns, fmt, by_eight))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_shape_granularity_and_layout(data: Any, assert_same: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    kind = data.draw(st.sampled_from(["tensor", "channel", "group"]))
    granularity = Granularity(
        kind=kind,
        ch_axis=None if kind == "tensor" else axis,
        group_size=data.draw(st.integers(1, 9)) if kind == "group" else None,
    )
    values = torch.from_numpy(finite_groups(data.draw(st.integers(0, 99)))).flatten()
    count = int(np.prod(shape))
    start = data.draw(st.integers(0, values.numel() - 1))
    x = values.roll(-start).repeat(-(-count // values.numel()))[:count].view(shape)
    x = x.to(data.draw(st.sampled_from(DTYPES)))
    layout = data.draw(st.sampled_from(["contiguous", "transposed", "strided", "expanded"]))
    if layout == "transposed":
        x = x.permute(*reversed(range(x.ndim))).contiguous().permute(*reversed(range(x.ndim)))
    elif layout == "strided":
        x = torch.stack([x, x], -1)[..., 0]
    elif layout == "expanded":
        x = x[:1].expand(x.shape)
    fmt = data.draw(st.sampled_from(FORMATS))
    found = quantize_affine(x, fmt, granularity)
    assert found.is_contiguous()
    assert_same(found, expected(x, fmt, granularity))


def test_a_tensor_has_one_scale_by_default(assert_same: Any) -> None:
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    for fmt in (INT4, ScaledFp(element="e5m2")):
        assert_same(quantize_affine(x, fmt), expected(x, fmt, Granularity()))
    assert quantize_affine(torch.tensor(3.0), AffineInt(bits=8, zero_point="int32")) == 3.0


@pytest.mark.parametrize(
    "fmt", [*FORMATS[::97], AffineInt(bits=4, zero_point="float32")], ids=label
)
def test_scales_and_zero_points(fmt: AffineInt | ScaledFp) -> None:
    low, high = ROWS.amin(-1), ROWS.amax(-1)
    scale, zero = affine_scale(low, high, fmt)
    want = golden.affine.affine_scale(low.numpy(), high.numpy(), fmt)
    assert (scale.dtype, str(zero.dtype)) == (torch.float32, f"torch.{want[1].dtype}")
    assert repr(scale.tolist()) == repr(want[0].tolist())  # with the sign of zero
    assert repr(zero.tolist()) == repr(want[1].tolist())


@pytest.mark.parametrize("quotient", ["divide", "reciprocal"])
@pytest.mark.parametrize("kind", ["none", "int32", "float32"])
def test_static_scales(kind: str, quotient: str, assert_same: Any) -> None:
    count = len(ROWS)
    for scale, rounding in itertools.product(
        (2.0**-149, 2.0**-127, 2.0**-126, 0.1, 1.0, 3.7e5, 3e38, np.nan), ("rne", "rna", "rdown")
    ):
        fmt = AffineInt(bits=6, zero_point=kind, quotient=quotient, rounding=rounding)
        zero: Any = np.arange(count) % 64 - 32
        zero = zero if kind == "int32" else np.float32(zero) * np.float32(1.3)
        arrays = {"scale": np.full(count, scale, dtype=np.float32)}
        if kind != "none":
            arrays["zero_point"] = zero
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        found = quantize_affine(ROWS, fmt, BY_ROW, **tensors)
        assert_same(found, expected(ROWS, fmt, BY_ROW, **arrays))


def test_static_scales_of_minifloats(assert_same: Any) -> None:
    for element, scale in itertools.product(ELEMENTS, (2.0**-149, 0.1, 3e38, np.nan)):
        fmt = ScaledFp(element=element)
        array = np.full(len(ROWS), scale, dtype=np.float32)
        found = quantize_affine(ROWS, fmt, BY_ROW, scale=torch.from_numpy(array))
        assert_same(found, expected(ROWS, fmt, BY_ROW, scale=array))


def test_the_range_that_is_found_may_be_given() -> None:
    x = torch.randn(4, 9, generator=torch.Generator().manual_seed(1))
    for zero in ZeroPoint:
        fmt = AffineInt(bits=5, zero_point=zero)
        scale, point = affine_scale(x.amin(-1), x.amax(-1), fmt)
        given_too = {} if zero is ZeroPoint.NONE else {"zero_point": point}
        static = quantize_affine(x, fmt, BY_ROW, scale=scale, **given_too)
        assert torch.equal(static, quantize_affine(x, fmt, BY_ROW))


def test_the_gradient_passes_straight_through() -> None:
    x = torch.randn(5, 40, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 40, dtype=torch.float64)
    (quantize_affine(x, INT4, BY_ROW) * weights).sum().backward()
    assert torch.equal(x.grad, weights)
    with torch.no_grad():
        assert quantize_affine(x, INT4).grad_fn is None


def test_the_input_is_left_alone() -> None:
    before = ROWS.clone()
    for fmt in (INT4, ScaledFp(element="e4m3")):
        quantize_affine(ROWS, fmt, BY_ROW)
        quantize_affine(ROWS, fmt)
    assert torch.equal(ROWS.view(torch.int32), before.view(torch.int32))


def test_no_group_is_no_error() -> None:
    x = torch.zeros(0, 64)
    by_group = Granularity(kind="group", ch_axis=1, group_size=16)
    for fmt in (INT4, ScaledFp(element="e2m1", scale="e4m3")):
        assert quantize_affine(x, fmt, by_group).shape == (0, 64)
        assert quantize_affine(x, fmt, BY_ROW).shape == (0, 64)


@pytest.mark.parametrize(
    ("x", "fmt", "arguments", "message"),
    [
        ([1.0], INT4, {}, "need a tensor of float32, bfloat16, float16, float64; got list"),
        (torch.ones(3, dtype=torch.int32), INT4, {}, "got torch.int32"),
        (torch.ones(3), "int4", {}, "need an AffineInt or a ScaledFp such as AffineInt"),
        (torch.zeros(0), INT4, {}, r"at least one value that shares a scale, got shape \(0,\)"),
        (torch.ones(3), INT4, {"granularity": Granularity(kind="channel", ch_axis=1)}, "ch_axis 1"),
        (torch.ones(3), INT4, {"zero_point": torch.tensor(0)}, "a zero point needs its scale"),
        (torch.ones(3), INT4, {"scale": torch.tensor(1.0)}, "int4 needs, beside its scale, a zero"),
        (
            torch.ones(3),
            ScaledFp(element="e4m3"),
            {"scale": torch.tensor(1.0), "zero_point": torch.tensor(0)},
            "has no zero point",
        ),
        (torch.ones(3), AffineInt(bits=8), {"scale": torch.tensor(0.0)}, "scales are positive"),
        (torch.ones(3), AffineInt(bits=8), {"scale": torch.tensor(np.inf)}, "scales are positive"),
        (
            torch.ones(3),
            AffineInt(bits=8),
            {"scale": torch.ones(2)},
            r"one a group, of shape \(\); got shapes \(2,\) and \(\)",
        ),
        (
            torch.ones(3),
            INT4,
            {"scale": torch.tensor(1.0), "zero_point": torch.tensor(8)},
            r"zero points of int4 are integers in -8\.\.7",
        ),
    ],
)
def test_bad_input_is_named(x: Any, fmt: Any, arguments: dict, message: str) -> None:
    with pytest.raises(golden.FormatError, match=message):
        quantize_affine(x, fmt, **arguments)


def test_bad_ranges_are_named() -> None:
    with pytest.raises(golden.FormatError, match="no low above its high"):
        affine_scale(torch.tensor(1.0), torch.tensor(0.0), INT4)
    with pytest.raises(golden.FormatError, match="affine_scale: need a tensor of float32"):
        affine_scale(torch.tensor(1), torch.tensor(2), INT4)


def test_scales_are_judged_as_they_are_used_in_float32() -> None:
    x, fmt = torch.ones(1), AffineInt(bits=4)
    for scale in (1e-50, 1e50):
        with pytest.raises(golden.FormatError, match="positive and finite"):
            quantize_affine(x, fmt, scale=torch.tensor([scale], dtype=torch.float64))
    with pytest.raises(golden.FormatError, match="tensors, one number a group; got float"):
        quantize_affine(x, fmt, scale=0.1)  # type: ignore[arg-type]
    low = torch.tensor([1 + 1e-12], dtype=torch.float64)
    assert (
        affine_scale(low, torch.ones(1), fmt)[0] == affine_scale(low.float(), low.float(), fmt)[0]
    )


def test_threads_that_flush_are_refused() -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        with pytest.raises(ExactnessError, match="flushes subnormal"):
            quantize_affine(torch.ones(2), INT4)
        with pytest.raises(ExactnessError, match="flushes subnormal"):
            affine_scale(torch.tensor(1.0), torch.tensor(2.0), INT4)
    finally:
        torch.set_flush_denormal(False)
