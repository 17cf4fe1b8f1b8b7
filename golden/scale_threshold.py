"""The scale rules as thresholds on the bits of a block's largest magnitude: for fast twins.

`mx.scale_exponent` is the definition, with real numbers; here each rule is one comparison of the
fraction field, which NumPy's and torch's fast paths share.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .formats import CLIP_BELOW, FixedPoint, Mx, ScaleRule


class ScaleThreshold(NamedTuple):
    """One rule for one format: exponent = that of amax (+ 1 from `bump_from` on) - offset."""

    bump_from: int
    """Fraction field of amax from which the next exponent is taken; 2^fraction_bits: never."""
    offset: int


@lru_cache(maxsize=256)
def scale_threshold(mx: Mx, fraction_bits: int) -> ScaleThreshold:
    """Return the scale rule of a format on floats with this many fraction bits.

    Args:
        mx: format and scale rule.
        fraction_bits: of the floating-point numbers that amax is given in: 23 for float32, 52 for
            float64; more than those that `even` rounds to.

    Returns:
        ScaleThreshold, for normal amax; what is clamped by the scale's range is not its concern.

    >>> from plena_cosim import golden
    >>> scale_threshold(golden.get_format("mxfp4_e2m1", scale_rule="rceil"), 23).bump_from / 2**23
    0.5000001192092896
    """
    element, one = mx.element, 1 << fraction_bits
    rule = ScaleRule(mx.scale_rule)
    if rule is ScaleRule.MASE and not isinstance(element, FixedPoint):
        rule = ScaleRule.FLOOR
    largest = int(np.ldexp(element.max_value, fraction_bits - element.emax)) - one
    return {
        ScaleRule.FLOOR: ScaleThreshold(one, element.emax),
        ScaleRule.CEIL: ScaleThreshold(1, element.emax),
        ScaleRule.EVEN: ScaleThreshold(one - (one >> (mx.even_bits + 1)), element.emax),
        ScaleRule.RCEIL: ScaleThreshold(largest + 1, element.emax),
        # MXINT: LSB = 2^(ceil(log2 amax) - (W - 1)), and the scale is 2^(W - 2) LSBs.
        ScaleRule.MASE: ScaleThreshold(1, 1),
        ScaleRule.CLIP: ScaleThreshold(int(CLIP_BELOW * one), element.emax + 1),
    }[rule]
