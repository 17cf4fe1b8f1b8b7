"""Functions of one value equal golden's for every code of every format of up to 16 bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import unary
from plena_cosim.fakequant.unary import codes_of

from .samples import NARROW, all_codes, label, values

NAMES = [name for name in fakequant.__all__ if hasattr(unary, name)]
EVERY_CODE = ["bf16", "fp16", "e4m3", "e5m2", "e6m5", "e3m4", "e8m7", "e2m0"]
EVERY_CODE += ["e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz"]


def test_there_are_functions_of_one_value() -> None:
    assert {"exp", "silu", "gelu_tanh"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fmt", EVERY_CODE)
def test_every_code(fmt, name, assert_same) -> None:
    fmt = golden.get_format(fmt)
    codes = all_codes(fmt)
    ours = getattr(fakequant, name)(values(codes, fmt), fmt)
    assert_same(ours, golden.decode(getattr(golden.ops, name)(codes, fmt), fmt))


@pytest.mark.parametrize("fmt", NARROW, ids=label)
def test_codes_of_values(fmt) -> None:
    codes = all_codes(fmt)
    found = codes_of(values(codes, fmt), fmt).numpy()
    nan = np.isnan(golden.decode(codes, fmt))
    np.testing.assert_array_equal(found[~nan], codes[~nan])
    assert np.isnan(golden.decode(found[nan], fmt)).all()


@pytest.mark.parametrize("bits", [0x7F800001, -0x007FFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("fmt", ["bf16", "fp16", "e4m3", "e4m3fnuz"])
def test_any_nan_is_a_nan(fmt, bits) -> None:
    nan = torch.tensor([bits], dtype=torch.int32).view(torch.float32)
    assert nan.isnan().all()
    assert fakequant.exp(nan, golden.get_format(fmt)).isnan().all()


def test_a_minus_zero_is_a_zero_where_the_format_has_none() -> None:
    """No value of the format, but torch makes one of `0 * -1`."""
    fmt = golden.get_format("e4m3fnuz")
    assert fakequant.exp(torch.tensor([-0.0, 0.0]), fmt).tolist() == [1.0, 1.0]


def test_a_wide_format_is_refused() -> None:
    with pytest.raises(golden.FormatError, match=r"exp comes .* up to 16 bits; fp32 has 32"):
        fakequant.exp(torch.ones(1), golden.get_format("fp32"))


def test_any_shape_and_layout() -> None:
    bf16 = golden.get_format("bf16")
    x = torch.arange(24.0).view(2, 3, 4)
    expected = fakequant.exp(x.flatten(), bf16).view(2, 3, 4)
    assert torch.equal(fakequant.exp(x, bf16), expected)
    assert torch.equal(fakequant.exp(x.mT, bf16), expected.mT)
    assert fakequant.exp(torch.tensor(0.0), bf16).item() == 1.0
    assert fakequant.exp(torch.ones(2, 0), bf16).shape == (2, 0)
