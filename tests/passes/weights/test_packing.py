"""Packed codes are golden's codes, and unpack to the same values bit for bit."""

from __future__ import annotations

import io
import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import fakequant, golden
from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.golden import FixedPoint, FormatError, Minifloat, Mx, Rounding, mxfp, mxint
from plena_cosim.golden.formats import FORMATS
from plena_cosim.passes.recipe.formats import CastFormat
from plena_cosim.passes.weights.element_codes import (
    block_codes,
    block_values,
    scalar_codes,
    scalar_values,
)
from plena_cosim.passes.weights.packed_weight import PackedWeight
from plena_cosim.passes.weights.packing import pack_bits, packed_bytes, unpack_bits

BLOCK_FORMATS = [fmt for fmt in FORMATS.values() if isinstance(fmt, Mx)] + [
    *(mxint(width, block_size=8) for width in range(2, 17)),
    mxint(4, block_size=8, symmetric=False),
    mxint(8, block_size=16, scale_rule="mase"),
    mxint(5, block_size=8, scale_bits=4),
    mxint(3, block_size=8, scale_bits=2),
    mxfp(2, 1, block_size=8, scale_bits=5),
    mxfp(5, 10, block_size=8),
    mxfp(1, 2, block_size=8),
    mxfp(3, 0, block_size=8, scale_rule="rceil"),
    mxint(3, block_size=16, scale_rule="clip"),
    mxfp(4, 3, block_size=8, rounding="rtz"),
    golden.get_format("mxfp8_e4m3fnuz", block_size=8),
]
SCALARS = [fmt for fmt in FORMATS.values() if isinstance(fmt, Minifloat)] + [
    Minifloat(exp_bits=8, man_bits=16),
    Minifloat(exp_bits=4, man_bits=3, bias=200),
]


def label(fmt: object) -> str:
    if isinstance(fmt, Mx):
        return f"{fmt.name}-{fmt.block_size}-s{fmt.scale_bits}-{fmt.scale_rule.value}"
    return fmt.name


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal bits, any NaN being like any other."""
    integer = torch.int64 if a.dtype == torch.float64 else torch.int32
    plain = [t.masked_fill(t.isnan(), 0.0).float() if t.itemsize < 4 else t for t in (a, b)]
    bits = [t.masked_fill(t.isnan(), 0.0).view(integer) for t in plain]
    return a.dtype == b.dtype and torch.equal(a.isnan(), b.isnan()) and torch.equal(*bits)


def hard_values(*shape: int) -> torch.Tensor:
    """Many binades, whole blocks of zeros, and -0."""
    x = torch.randn(shape) * torch.exp2(
        torch.randint(-130, 120, (shape[0], *[1] * (len(shape) - 1)))
    )
    x[0] = 0.0
    return torch.where(torch.rand(shape) < 0.1, -0.0, x)


@pytest.mark.parametrize("width_bits", range(1, 33))
def test_a_stream_is_little_endian_and_dense(width_bits) -> None:
    for count in (1, 7, 8, 1000, (1 << 16) + 3):
        codes = torch.randint(0, 1 << width_bits, (count,))
        packed = pack_bits(codes, width_bits)
        assert (
            packed.numel() == packed_bytes(count, width_bits) == math.ceil(count * width_bits / 8)
        )
        assert torch.equal(unpack_bits(packed, width_bits, codes.shape).long(), codes)
        if count <= 1000:
            stream = sum(int(code) << (i * width_bits) for i, code in enumerate(codes))
            assert bytes(packed.tolist()) == stream.to_bytes(packed.numel(), "little")


@pytest.mark.parametrize("mx", BLOCK_FORMATS, ids=label)
def test_codes_are_goldens(mx) -> None:
    for shape, axis in (((12, 37), 1), ((37, 6), 0), ((3, 19, 5), 1)):
        x = hard_values(*shape)
        q = fakequant.quantize_mx(x, mx, axis=axis)
        expected = golden.quantize(x.numpy(), mx, axis=axis)
        codes = block_codes(q.values, q.scales, mx, axis)
        np.testing.assert_array_equal(codes.numpy(), expected.codes)
        np.testing.assert_array_equal(q.scales.numpy(), expected.scales)
        values = block_values(codes, q.scales, mx, axis)
        assert same(values.double(), q.values.double())


@pytest.mark.parametrize("fmt", SCALARS, ids=label)
def test_scalar_codes_are_goldens(fmt) -> None:
    small = fmt.width_bits <= 16
    every = np.arange(1 << 16, dtype=np.uint32) << (0 if small else fmt.width_bits - 16)
    codes = every[: 1 << fmt.width_bits] | (0 if small else 5)
    values = torch.from_numpy(golden.decode(codes, fmt)).to(value_dtype(fmt))
    found = scalar_codes(values, fmt)
    np.testing.assert_array_equal(found.numpy(), golden.encode(values.numpy(), fmt))
    assert same(scalar_values(found, fmt), values)


def test_fixed_point_codes_are_goldens() -> None:
    fmt = FixedPoint(int_bits=3, frac_bits=6)
    codes = np.arange(1 << 9, dtype=np.uint32)
    values = torch.from_numpy(golden.decode(codes, fmt))
    np.testing.assert_array_equal(scalar_codes(values, fmt).numpy(), codes)


def test_a_block_with_a_nan_keeps_its_scale_code() -> None:
    mx = mxfp(2, 1, block_size=4)
    x = torch.tensor([[1.0, math.nan, -3.0, 0.5, -0.0, 6.0, -1.0, 2.0]])
    stored = PackedWeight(x, mx)
    assert stored.scales[0, 0] == 255
    again = PackedWeight.empty(x, mx)
    again.load_state_dict(stored.state_dict())
    assert again.values[0, :4].isnan().all()
    assert same(again.values.data, stored.values.data)


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(2, 16),
    exp_bits=st.integers(1, 5),
    man_bits=st.integers(0, 10),
    is_int=st.booleans(),
    block_size=st.sampled_from([1, 3, 8, 32]),
    scale_bits=st.integers(2, 8),
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    axis=st.integers(-3, 2),
    binade=st.integers(-140, 120),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float64, None]),
    seed=st.integers(0, 1 << 30),
)
def test_any_weight_goes_through_its_state_dict(
    width, exp_bits, man_bits, is_int, block_size, scale_bits, shape, axis, binade, dtype, seed
) -> None:
    mx = (
        mxint(width, block_size=block_size, scale_bits=scale_bits)
        if is_int
        else mxfp(exp_bits, man_bits, block_size=block_size, scale_bits=scale_bits)
    )
    axis = axis % len(shape)
    torch.manual_seed(seed)
    weight = torch.randn(shape) * 2.0**binade
    stored = PackedWeight(weight, mx, axis=axis, dtype=dtype)
    again = PackedWeight.empty(torch.empty(shape), mx, axis=axis, dtype=dtype)
    again.load_state_dict(stored.state_dict())
    assert same(again.values.data, stored.values.data)
    assert torch.equal(again.scales, stored.scales)
    assert again.values.dtype == stored.values.dtype


@pytest.mark.parametrize("rounding", [Rounding.RNE, Rounding.RTZ])
@pytest.mark.parametrize("name", ["e3m4", "e4m3", "e5m2fnuz", "bf16", "fp32"])
def test_a_cast_weight_is_stored_as_its_codes(name, rounding) -> None:
    fmt = CastFormat(fmt=golden.get_format(name), rounding=rounding)
    weight = torch.randn(7, 5)
    stored = PackedWeight(weight, fmt)
    state = stored.state_dict()
    assert set(state) == {"codes"}
    assert state["codes"].numel() == math.ceil(35 * fmt.fmt.width_bits / 8)
    expected = golden.encode(weight.numpy(), fmt.fmt, rounding=rounding)
    codes = unpack_bits(state["codes"], fmt.fmt.width_bits, weight.shape)
    np.testing.assert_array_equal(codes.numpy(), expected)
    again = PackedWeight.empty(weight, fmt)
    again.load_state_dict(state)
    assert same(again.values.data, stored.values.data)


def test_a_weight_without_a_format_is_stored_as_it_is() -> None:
    weight = torch.randn(3, 4)
    stored = PackedWeight(weight, None)
    assert list(stored.state_dict()) == ["values"]
    again = PackedWeight.empty(weight, None)
    again.load_state_dict(stored.state_dict())
    assert torch.equal(again.values, weight)
    weight.zero_()
    assert bool(stored.values.any())  # a copy


def test_copies_and_conversions_keep_the_weight() -> None:
    mx = mxint(4, block_size=8)
    stored = PackedWeight(torch.randn(5, 16), mx)
    for other in (deepcopy(stored), deepcopy(stored).double(), deepcopy(stored).bfloat16()):
        assert torch.equal(other.values.float(), stored.values)
        assert all(
            torch.equal(tensor, other.state_dict()[name])
            for name, tensor in stored.state_dict().items()
        )
    file = io.BytesIO()
    torch.save(stored.state_dict(), file)
    file.seek(0)
    other = PackedWeight(torch.randn(5, 16), mx)
    other.load_state_dict(torch.load(file))
    assert torch.equal(other.values, stored.values)


def test_an_empty_weight_lives_on_the_meta_device_and_passes_its_codes_on() -> None:
    mx = mxint(4, block_size=8)
    stored = PackedWeight(torch.randn(5, 20), mx)
    state = stored.state_dict()
    with torch.device("meta"):
        empty = PackedWeight.empty(torch.empty(5, 20), mx)
    assert {name: tensor.shape for name, tensor in empty.state_dict().items()} == {
        name: tensor.shape for name, tensor in state.items()
    }
    empty.codes, empty.scales = state["codes"], state["scales"]
    assert empty.is_packed
    assert torch.equal(empty.state_dict()["codes"], state["codes"])
    empty.unpack()
    assert not empty.is_packed
    assert torch.equal(empty.values, stored.values)
    meta = deepcopy(stored).to("meta").state_dict()
    assert meta["codes"].shape == state["codes"].shape
    assert meta["codes"].is_meta


def test_sixteen_bits_in_bfloat16_are_saved_by_the_values_they_round_to() -> None:
    mx = mxint(16, block_size=8)
    stored = PackedWeight(torch.randn(64, 64), mx, dtype=torch.bfloat16)
    again = PackedWeight.empty(torch.empty(64, 64), mx, dtype=torch.bfloat16)
    again.load_state_dict(stored.state_dict())
    assert same(again.values.data, stored.values.data)


def test_a_weight_that_was_changed_cannot_be_saved() -> None:
    stored = PackedWeight(torch.randn(2, 8) * 1e6, mxint(4, block_size=8))
    parent = torch.nn.ModuleDict({"proj": deepcopy(stored).half()})
    with pytest.raises(FormatError, match=r"^proj: its torch.float16 values are not .* mxint4"):
        parent.state_dict()
    with torch.no_grad():
        stored.values[0, 0] += 1.0
    with pytest.raises(FormatError, match="they were changed or converted and lost bits"):
        stored.state_dict()


def test_a_state_that_does_not_fit_is_named() -> None:
    stored = PackedWeight(torch.randn(4, 8), mxint(4, block_size=8))
    state = stored.state_dict()
    short = {**state, "codes": state["codes"][:-1]}
    with pytest.raises(RuntimeError, match=r"32 codes of 4 bits take 16 bytes, got .*\(15,\)"):
        stored.load_state_dict(short)
    with pytest.raises(RuntimeError, match=r"Missing key.*scales"):
        stored.load_state_dict({"codes": state["codes"]})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*values"):
        stored.load_state_dict({**state, "values": torch.zeros(4, 8)})


def test_exact_values_are_float32_wherever_that_holds_them() -> None:
    mx = mxfp(2, 1, block_size=8)
    ordinary = torch.randn(4, 16, dtype=torch.float64)
    assert PackedWeight(ordinary, mx).values.dtype == torch.float32
    assert PackedWeight(ordinary * 2.0**-125, mx).values.dtype == torch.float64
    # Scale code 0 is also that of all-zero blocks, and of blocks that round to zeros of any sign.
    for factor, dtype in ((2.0**-127, torch.float64), (2.0**-135, torch.float32)):
        stored = PackedWeight(ordinary * factor, mx)
        assert not bool(stored.scales.any())
        assert stored.values.dtype == dtype
        again = PackedWeight.empty(ordinary, mx)
        again.load_state_dict(stored.state_dict())
        assert same(again.values.data, stored.values.data)
    narrow = replace(mx, scale_bits=4)
    assert PackedWeight(ordinary * 2.0**-125, narrow).values.dtype == torch.float32
