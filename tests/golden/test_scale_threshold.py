"""The table of thresholds says what the definition of the scale rules says, on every side."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FORMATS, Mx, ScaleRule, get_format
from plena_cosim.golden.mx import scale_exponent
from plena_cosim.golden.scale_threshold import scale_threshold

NAMES = [name for name, fmt in FORMATS.items() if isinstance(fmt, Mx)]


@pytest.mark.parametrize("fraction_bits", [23, 52])
@pytest.mark.parametrize("rule", ScaleRule)
@pytest.mark.parametrize("name", NAMES)
def test_thresholds_are_the_definition(name: str, rule: ScaleRule, fraction_bits: int) -> None:
    mx = get_format(name, scale_rule=rule)
    bump_from, offset = scale_threshold(mx, fraction_bits)
    one = 1 << fraction_bits
    wanted = np.array([0, 1, one // 8, 3 * one // 16, one // 2, one - 1, bump_from - 1, bump_from])
    spots = np.unique(np.clip(np.concatenate([wanted - 1, wanted, wanted + 1]), 0, one - 1))
    for exponent in (-20, 0, 7):
        amax = np.ldexp(1.0 + spots / one, exponent)
        expected = scale_exponent(amax, mx)
        np.testing.assert_array_equal(exponent + (spots >= bump_from) - offset, expected)
