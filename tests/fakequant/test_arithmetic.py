"""add, sub, mul and neg equal golden's, in value, sign of zero and NaN."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import pieces
from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.fakequant.rounder import rounder

from .samples import FORMATS, all_codes, label, pairs, random_codes, values

BF16 = golden.get_format("bf16")


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@pytest.mark.parametrize("fmt", FORMATS, ids=label)
def test_pairs(fmt, name, assert_same) -> None:
    a, b = pairs(fmt)
    ours = getattr(fakequant, name)(values(a, fmt), values(b, fmt), fmt)
    assert ours.dtype == value_dtype(fmt)
    assert_same(ours, golden.decode(getattr(golden.ops, name)(a, b, fmt), fmt))


@pytest.mark.parametrize("fmt", ["bf16", "fp16", "e6m5", "e4m3", "e5m2fnuz"])
def test_products_around_the_smallest_value(fmt, assert_same) -> None:
    """Where a product that was rounded twice could show."""
    fmt = golden.get_format(fmt)
    a = random_codes(fmt, 200_000, 5).astype(np.int64) & (fmt.sign_mask - 1)
    # The exponent fields of a and b add up to that of a product of 2^lsb_exp, or up to 3 less.
    exponents = fmt.bias_value + 1 - fmt.man_bits - (a >> fmt.man_bits)
    b = (exponents << fmt.man_bits) - random_codes(fmt, a.size, 6) % (4 << fmt.man_bits)
    keep = (b >= 0) & (b <= fmt.max_code)
    assert keep.sum() > 10_000
    a, b = a[keep], b[keep]
    ours = fakequant.mul(values(a, fmt), values(b, fmt), fmt)
    assert_same(ours, golden.decode(golden.ops.mul(a, b, fmt), fmt))


@pytest.mark.parametrize("fmt", FORMATS, ids=label)
def test_neg(fmt, assert_same) -> None:
    codes = all_codes(fmt) if fmt.width_bits <= 16 else random_codes(fmt, 1000, 7)
    ours = fakequant.neg(values(codes, fmt), fmt)
    assert_same(ours, golden.decode(golden.ops.neg(codes, fmt), fmt))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("fmt", ["bf16", "fp16", "fp32"])
def test_overflow_on_one_side_saturates(fmt, sign) -> None:
    fmt = golden.get_format(fmt)
    largest = torch.tensor([sign * fmt.max_value])
    assert torch.equal(fakequant.add(largest, largest, fmt), largest)
    assert torch.equal(fakequant.mul(largest, fmt.max_value, fmt), largest)
    assert torch.equal(fakequant.mul(largest, torch.inf, fmt), sign * torch.full((1,), torch.inf))


def test_the_usual_formats_stay_in_float32() -> None:
    single = {fmt.name for fmt in FORMATS if rounder(fmt).carrier.dtype == torch.float32}
    assert {"bf16", "fp16", "e6m5", "e5m6", "e4m7", "e4m3", "e5m2", "fp32"} <= single
    assert "e8m15" not in single


def test_operands_broadcast_and_may_be_numbers() -> None:
    a, b = torch.tensor([[1.0], [2.0]]), torch.tensor([256.0, 0.5])
    assert fakequant.add(a, b, BF16).tolist() == [[256.0, 1.5], [258.0, 2.5]]
    assert fakequant.mul(a.bfloat16(), 3.0, BF16).tolist() == [[3.0], [6.0]]
    assert fakequant.sub(torch.ones(0), 1.0, BF16).shape == (0,)


def test_the_cut_into_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a = values(random_codes(BF16, (5, 3, 40), 8), BF16)
    b = values(random_codes(BF16, (3, 1), 9), BF16)
    whole = fakequant.add(a, b, BF16)
    for limit in (1, 7, 40, 100, 250):
        monkeypatch.setattr(pieces, "_PIECE_VALUES", limit)
        cut = fakequant.add(a, b, BF16)
        assert torch.equal(cut.nan_to_num(nan=0.3), whole.nan_to_num(nan=0.3))
        strided = fakequant.add(a.mT.contiguous().mT, b, BF16)
        assert torch.equal(strided.nan_to_num(nan=0.3), whole.nan_to_num(nan=0.3))


def test_there_is_no_gradient_and_the_operands_stay() -> None:
    a = torch.tensor([1e38, torch.inf, 3e38], requires_grad=True)
    before = a.detach().clone()
    fp32 = golden.get_format("fp32")
    assert not fakequant.add(a, 1e38, fp32).requires_grad
    fakequant.mul(a, 1.0, fp32)
    assert torch.equal(a, before)


def test_bad_operands_are_named() -> None:
    with pytest.raises(golden.FormatError, match=r"tensor of bf16 values, got torch\.int64"):
        fakequant.add(torch.ones(1, dtype=torch.int64), 1.0, BF16)
    with pytest.raises(golden.FormatError, match="need a Minifloat such as bf16"):
        fakequant.add(torch.ones(1), 1.0, golden.get_format("mxint8"))
