"""neg and abs: every code, against the values."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, Specials, decode, get_format
from plena_cosim.golden.ops import abs, neg

from ..samples import REGISTERED, label

NARROW = [fmt for fmt in REGISTERED if fmt.width_bits <= 16]


@pytest.mark.parametrize("fmt", NARROW, ids=label)
def test_every_code(fmt: Minifloat) -> None:
    codes = np.arange(1 << fmt.width_bits, dtype=np.uint32)
    values = decode(codes, fmt)
    for result, want in ((neg(codes, fmt), -values), (abs(codes, fmt), np.abs(values))):
        got = decode(result, fmt)
        np.testing.assert_array_equal(got, want)
        signs = np.signbit(want) & ((want != 0) | (fmt.specials is not Specials.FNUZ))
        assert (np.signbit(got) == signs)[~np.isnan(want)].all()


def test_the_payload_of_a_nan_stays() -> None:
    bf16 = get_format("bf16")
    assert neg([0x7FC1, 0xFF81], bf16).tolist() == [0xFFC1, 0x7F81]
    assert abs([0x7FC1, 0xFF81], bf16).tolist() == [0x7FC1, 0x7F81]


def test_zero_and_nan_stay_where_there_is_no_minus_zero() -> None:
    fnuz = get_format("e4m3fnuz")
    assert neg([0x00, 0x80, 0x01, 0xFF], fnuz).tolist() == [0x00, 0x80, 0x81, 0x7F]
    assert abs([0x00, 0x80, 0x01, 0xFF], fnuz).tolist() == [0x00, 0x80, 0x01, 0x7F]
    assert neg(np.uint8(0x80), fnuz).shape == ()


@pytest.mark.parametrize("function", [neg, abs])
def test_a_code_too_wide_is_an_error(function: object) -> None:
    with pytest.raises(FormatError, match="e2m1"):
        function([16], get_format("e2m1"))  # type: ignore[operator]
