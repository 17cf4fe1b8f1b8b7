"""What rounding met: where the exact result lay between two codes, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import FixedPoint, Minifloat, Scalar, decode
from plena_cosim.golden.blocks.formats import PAIR
from plena_cosim.golden.exact import sum_to_odd
from plena_cosim.golden.mx import decode_scale

Codes = npt.NDArray[Any]
Values = npt.NDArray[np.float64]
Arrays = Mapping[str, Codes]
Exact = Callable[[Arrays, Arrays, Mapping[str, Any]], Values]

POSITIONS = ("exact", "below half", "tie above even", "tie above odd", "above half")
"""Where a result in range lies between the code toward zero and the next one away from zero."""
OUTCOMES = (
    "up into the next binade",
    "up to the smallest normal",
    "beyond the largest by less than a step",
    "overflow",
    "underflow to zero",
    "subnormal, exact",
    "subnormal, inexact",
)
EVENTS = (*POSITIONS, *OUTCOMES)


def _sum(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    return sum_to_odd(decode(inputs["a"], formats["fmt"]), decode(inputs["b"], formats["fmt"]))


def _difference(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    return sum_to_odd(decode(inputs["a"], formats["fmt"]), -decode(inputs["b"], formats["fmt"]))


def _product(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    with np.errstate(invalid="ignore"):
        product: Values = decode(inputs["a"], formats["fmt"]) * decode(inputs["b"], formats["fmt"])
    return product


def _same(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    return decode(inputs["a"], formats["src"])


def _unscaled(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    scales = decode_scale(outputs["scale"], formats["mx"])
    with np.errstate(invalid="ignore"):
        scaled: Values = decode(inputs["x"], formats["src"]) / scales[:, None]
    return scaled


def _unscaled_micro(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    """As `_unscaled`, twice that where the pair's micro-exponent is 1."""
    doublings = np.repeat(outputs["micro"].astype(np.int64), PAIR, axis=1)
    return np.ldexp(_unscaled(inputs, outputs, formats), doublings)


def _scaled(inputs: Arrays, outputs: Arrays, formats: Mapping[str, Any]) -> Values:
    scales = decode_scale(inputs["scale"], formats["mx"])
    scaled: Values = decode(inputs["codes"], formats["mx"].element) * scales[:, None]
    return scaled


EXACT: dict[str, tuple[str, Exact]] = {
    "fp_add": ("y", _sum),
    "fp_sub": ("y", _difference),
    "fp_mul": ("y", _product),
    "fp_cast": ("y", _same),
    "fp_to_mx": ("codes", _unscaled),
    "fp_to_micro": ("codes", _unscaled_micro),
    "mx_to_fp": ("y", _scaled),
}
"""The ops that round once: which port, and its exact value (float64, rounded to odd at most)."""


def event_counts(exact: Values, codes: Codes, fmt: Scalar) -> npt.NDArray[np.int64]:
    """Return how often each of EVENTS happened.

    Args:
        exact: the results before rounding, as float64 that is exact or rounded to odd.
        codes: the results.
        fmt: their format.
    """
    finite = np.isfinite(exact) & (exact != 0)
    values, results = exact[finite], codes[finite].astype(np.int64)
    bits = np.abs(values).view(np.int64)
    exponent = (bits >> 52) - 1023
    significand = (bits & ((1 << 52) - 1)) | (1 << 52)
    if isinstance(fmt, FixedPoint):
        low_exp, man_bits, binade = fmt.lsb_exp, 0, np.zeros_like(exponent)
        unit_exp = np.full_like(exponent, fmt.lsb_exp)
        results = np.abs(results - ((results > fmt.max_code).astype(np.int64) << fmt.width_bits))
        limit = fmt.max_code + ((values < 0) & (not fmt.symmetric))
    else:
        low_exp, man_bits = fmt.emin, fmt.man_bits
        binade = np.maximum(exponent - fmt.emin, 0)
        unit_exp = binade + fmt.lsb_exp
        results = results & (fmt.sign_mask - 1)
        limit = np.full_like(exponent, fmt.max_code)
    drop = np.clip(unit_exp - exponent + 52, -9, 62)
    shift = np.maximum(drop, 0)
    whole = (significand >> shift) << np.maximum(-drop, 0)
    rest = significand & ((np.int64(1) << shift) - 1)
    toward_zero = (binade << man_bits) + whole  # the code, as in `round`: exponent and fraction
    half = (np.int64(1) << shift) >> 1
    inexact, tie = rest != 0, (rest == half) & (shift > 0)
    over = toward_zero > limit
    last = (toward_zero == limit) & inexact
    inside = ~(over | last)
    up = inside & (results == toward_zero + 1)
    subnormal = (exponent < low_exp) & isinstance(fmt, Minifloat)
    fraction = (1 << man_bits) - 1
    is_float = isinstance(fmt, Minifloat) and man_bits > 0
    hidden = fraction + 1
    chosen = {
        "exact": inside & ~inexact,
        "below half": inside & inexact & (rest < half),
        "tie above even": inside & tie & ((toward_zero & 1) == 0),
        "tie above odd": inside & tie & ((toward_zero & 1) == 1),
        "above half": inside & inexact & (rest > half),
        "up into the next binade": up & ((results & fraction) == 0) & (results > hidden) & is_float,
        "up to the smallest normal": up & (results == hidden) & is_float,
        "beyond the largest by less than a step": last,
        "overflow": over,
        "underflow to zero": inside & inexact & (results == 0),
        "subnormal, exact": subnormal & ~inexact,
        "subnormal, inexact": subnormal & inexact,
    }
    return np.array([int(np.count_nonzero(chosen[event])) for event in EVENTS])
