"""fakequant.quantize_blocks equals golden.blocks.quantize in every bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import golden
from plena_cosim.fakequant import ExactnessError, pieces, quantize_blocks
from plena_cosim.golden.blocks import (
    BLOCK_FORMATS,
    Bfp,
    BlockFormat,
    MicroMx,
    get_block_format,
    quantize,
)

from .conftest import _NARROW
from .test_quantize import nasty

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
OTHERS = [MicroMx(element_bits=bits, block_size=6) for bits in (2, 4, 16)]
OTHERS += [Bfp(element_bits=bits, block_size=5) for bits in (2, 4, 16)]
FORMATS: list[BlockFormat] = [*BLOCK_FORMATS.values(), *OTHERS]
over_formats = pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)
Same = Callable[[torch.Tensor, Any], None]


def expected(x: torch.Tensor, fmt: BlockFormat, axis: int = -1, **given: float) -> Any:
    """golden's values rounded once to the dtype of x, by golden's own encoder."""
    exact = quantize(x.double().numpy(), fmt, axis, **given).dequantize()
    narrow = golden.get_format(_NARROW[x.dtype])
    return golden.decode(golden.encode(exact, narrow, overflow="ieee"), narrow)


@over_dtypes
@over_formats
def test_nasty_values(fmt: BlockFormat, dtype: torch.dtype, assert_same: Same) -> None:
    for special in (False, True):
        x = nasty(512, dtype, seed=1, special=special)
        for part in (x, x.view(8, -1)[:, :-5]):
            assert_same(quantize_blocks(part, fmt), expected(part, fmt))
            for row in part.reshape(8, -1):  # each with a tensor scale of its own
                assert_same(quantize_blocks(row, fmt), expected(row, fmt))


@over_formats
@pytest.mark.parametrize("exp", [-149, -140, -130, -126, -118, -115, -20, 0, 100, 120])
def test_tensors_of_every_size(fmt: BlockFormat, exp: int, assert_same: Same) -> None:
    generator = np.random.default_rng(exp + 150)
    values = np.ldexp(generator.normal(size=(40, 64)), exp + generator.integers(-4, 5, (40, 64)))
    x = torch.from_numpy(values).float()
    assert_same(quantize_blocks(x, fmt), expected(x, fmt))


@pytest.mark.parametrize("block_size", [2, 4, 32])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_every_16_bit_pattern(
    name: str, dtype: torch.dtype, block_size: int, assert_same: Same
) -> None:
    fmt = get_block_format(name, block_size=block_size)
    patterns = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).view(dtype)
    mixed = patterns[torch.randperm(1 << 16, generator=torch.Generator().manual_seed(2))]
    for x in (patterns.view(-1, 64), mixed.view(-1, 64)):
        assert_same(quantize_blocks(x, fmt), expected(x, fmt))
        usual = x.masked_fill(~((x.abs() < 64.0) & (x.abs() > 2.0**-20)), 0.0)
        assert_same(quantize_blocks(usual, fmt), expected(usual, fmt))


@over_formats
def test_a_last_bit_beside_every_tie(fmt: BlockFormat, assert_same: Same) -> None:
    # Blocks with a largest magnitude of each 16th of a binade, ties and their neighbours within.
    tops = torch.arange(16, 33) / 16
    ties = torch.arange(-65, 66) / 64
    x = torch.cartesian_prod(tops, ties)
    for end in (torch.inf, -torch.inf):
        beside = torch.stack([x[:, 0], x[:, 1].nextafter(torch.tensor(end))], dim=1)
        for given_ in (x, beside, beside.flip(-1)):
            padded = torch.zeros(len(x), fmt.block_size)
            padded[:, :2] = given_
            assert_same(quantize_blocks(padded, fmt), expected(padded, fmt))
            largest = torch.cat([torch.full((1, fmt.block_size), 2688.0), padded])
            assert_same(quantize_blocks(largest, fmt), expected(largest, fmt))


@pytest.mark.parametrize("bits", [(0, 0), (0, 1), (0, -1), (7, -6), (6, -7)])
def test_sums_of_squares_are_compared_exactly(bits: tuple[int, int], assert_same: Same) -> None:
    fmt = get_block_format("mxfp4_diffs")
    x = torch.tensor([4.0, *[0.25] * 15, *(0.1875 + bit * 2.0**-26 for bit in bits)])
    assert quantize_blocks(x, fmt)[0] == (3.0 if sum(bits) > 0 else 4.0)
    for exp in (-123, -122, -121, -60, 100):  # the last bit is still there
        scaled = x * 2.0**exp
        assert_same(quantize_blocks(scaled, fmt), expected(scaled, fmt))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_shape_axis_and_block_size(data: st.DataObject, assert_same: Same) -> None:
    shape = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] = data.draw(st.integers(1, 70))
    dtype = data.draw(st.sampled_from(DTYPES))
    size = data.draw(st.sampled_from([2, 4, 8, 16, 32, 64]))
    fmt = get_block_format(data.draw(st.sampled_from(list(BLOCK_FORMATS))), block_size=size)
    count = int(np.prod(shape))
    values = nasty(count, dtype, seed=count, special=data.draw(st.booleans()))
    start = data.draw(st.integers(0, values.numel() - count))
    x = values[start : start + count].view(shape)
    assert_same(quantize_blocks(x, fmt, axis), expected(x, fmt, axis))


@over_formats
def test_a_finite_value_beside_nan_counts_for_the_tensor(
    fmt: BlockFormat, assert_same: Same
) -> None:
    x = torch.randn(4, 96, generator=torch.Generator().manual_seed(6))
    x[1, 3], x[1, 4] = torch.nan, 700.0
    assert_same(quantize_blocks(x, fmt), expected(x, fmt))


@over_formats
def test_strides_change_nothing(fmt: BlockFormat, assert_same: Same) -> None:
    x = nasty(64, torch.float32, seed=3, special=True).view(8, 8, 8)
    views = [x.transpose(0, 2), x[:, ::2], x.permute(1, 2, 0)[1:, :, 3:], x[:1].expand(5, 8, 8)]
    for view in views:
        assert not view.is_contiguous()
        for axis in (0, 1, 2):
            found = quantize_blocks(view, fmt, axis)
            assert found.is_contiguous()
            assert_same(found, expected(view.contiguous(), fmt, axis))


@over_formats
def test_pieces_and_threads_change_nothing(
    fmt: BlockFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = nasty(1000, torch.float32, seed=4, special=True).view(-1, 50)
    whole = quantize_blocks(x, fmt)
    torch.set_num_threads(2)
    assert torch.equal(quantize_blocks(x, fmt).nan_to_num(nan=0.3), whole.nan_to_num(nan=0.3))
    torch.set_num_threads(1)
    monkeypatch.setattr(pieces, "_PIECE_VALUES", 300)
    assert torch.equal(quantize_blocks(x, fmt).nan_to_num(nan=0.3), whole.nan_to_num(nan=0.3))


@over_formats
def test_the_input_is_left_alone_and_no_row_is_no_error(fmt: BlockFormat) -> None:
    x = nasty(64, torch.float32, seed=5, special=True)
    before = x.clone()
    quantize_blocks(x, fmt)
    assert torch.equal(x.view(torch.int32), before.view(torch.int32))
    for shape, axis in (((0, 64), -1), ((64, 0), 0), ((2, 0, 3), 2)):
        assert quantize_blocks(torch.zeros(shape), fmt, axis).shape == shape


@over_dtypes
def test_the_gradient_passes_straight_through(dtype: torch.dtype) -> None:
    x = torch.randn(5, 40, dtype=dtype, requires_grad=True)
    weights = torch.randn(5, 40, dtype=dtype)
    (quantize_blocks(x, "nvfp4", 0) * weights).sum().backward()
    assert torch.equal(x.grad, weights)
    with torch.no_grad():
        assert quantize_blocks(x, "mx9").grad_fn is None


@pytest.mark.parametrize(
    ("x", "fmt", "axis", "message"),
    [
        (torch.zeros(3, 0), "mx9", 1, "need at least one value along an axis, got shape (3, 0)"),
        (torch.tensor(1.0), "mx9", -1, "got shape ()"),
        (torch.ones(2, 3), "mx9", 2, "axis 2 does not exist in shape (2, 3); allowed: -2..1"),
        (torch.ones(3).double(), "mx9", -1, "tensor of float32, bfloat16, float16; got torch.flo"),
        ([1.0], "mx9", -1, "need a tensor of float32, bfloat16, float16; got list"),
        (torch.ones(3), "mx19", -1, "unknown block format 'mx19'"),
        (torch.ones(3), golden.get_format("mxint8"), -1, "need a block format such as"),
    ],
)
def test_bad_input_is_named(x: Any, fmt: Any, axis: int, message: str) -> None:
    with pytest.raises(golden.FormatError) as error:
        quantize_blocks(x, fmt, axis)
    assert message in str(error.value)


@over_formats
def test_strict_names_the_first_special_value(fmt: BlockFormat) -> None:
    x = torch.zeros(2, 3, 40)
    x[1, 2, 37] = -torch.inf
    quantize_blocks(x[:1], fmt, strict=True)
    for axis, place in ((-1, "row 5, position 37"), (0, "row 117, position 1")):
        with pytest.raises(golden.FormatError, match=f"{fmt.name}: -inf at {place} along the"):
            quantize_blocks(x, fmt, axis, strict=True)


@over_formats
def test_a_thread_that_flushes_subnormals_is_refused(fmt: BlockFormat) -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        with pytest.raises(ExactnessError, match="flushes subnormal"):
            quantize_blocks(torch.ones(32), fmt)
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("name", ["nvfp4", "nvfp4_two_stage"])
@pytest.mark.parametrize("amax", [0.0, 2.0**-149, 2.0**-120, 0.1, 3.0, 900.0, 2.0**127])
def test_a_given_amax_of_the_tensor(name: str, amax: float, assert_same: Same) -> None:
    fmt = get_block_format(name)
    for dtype in (torch.float32, torch.bfloat16):
        for special in (False, True):
            x = nasty(512, dtype, seed=4, special=special).view(8, -1)
            found = quantize_blocks(x, fmt, tensor_amax=amax)
            assert_same(found, expected(x, fmt, tensor_amax=amax))


def test_a_bad_amax_of_the_tensor_is_named() -> None:
    with pytest.raises(golden.FormatError, match="tensor_amax is 0 or more and finite"):
        quantize_blocks(torch.ones(3), "nvfp4", tensor_amax=-1.0)
    with pytest.raises(golden.FormatError, match="mx9 has no scale of the tensor"):
        quantize_blocks(torch.ones(3), "mx9", tensor_amax=1.0)
