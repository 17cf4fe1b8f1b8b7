"""The codes of a format where hardware goes wrong, derived from the format's description alone."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import (
    FixedPoint,
    Minifloat,
    NanReplacedWarning,
    Rounding,
    Scalar,
    decode,
    encode,
)

Codes = npt.NDArray[np.uint64]


def corner_codes(fmt: Scalar) -> Codes:
    """Return corner codes of a scalar format, sorted, both signs, each once.

    Minifloat: every pairing of the exponents 0, 1, 2, those around 1.0 and a precision away from it
    (where an addend becomes a sticky bit), and the last ones, with the fractions 0, 1, the half and
    its neighbours (near-ties), alternating bits and all ones. So: zeros, subnormals, the smallest
    normal, ones, the largest, and whatever Inf and NaN (with payloads) the format has.
    FixedPoint: 0, powers of two and their neighbours, and both ends.
    """
    if isinstance(fmt, FixedPoint):
        powers = [1 << bit for bit in range(fmt.width_bits)]
        near = [0, *(power + step for power in powers for step in (-1, 0, 1))]
        mask = (1 << fmt.width_bits) - 1
        return _unique([code & mask for value in near for code in (value, -value)])
    exponents = _exponent_corners(fmt)
    fractions = _fraction_corners(fmt)
    magnitudes = [exp << fmt.man_bits | fraction for exp in exponents for fraction in fractions]
    magnitudes += [fmt.max_code, fmt.max_code - 1]
    return _unique([sign | code for sign in (0, fmt.sign_mask) for code in magnitudes])


def _exponent_corners(fmt: Minifloat) -> list[int]:
    top = (1 << fmt.exp_bits) - 1
    away = fmt.man_bits
    steps = [0, 1, 2, away - 1, away, away + 1, away + 2, away + 3]
    around = [fmt.bias_value + sign * step for step in steps for sign in (-1, 1)]
    exponents = {0, 1, 2, top - 2, top - 1, top, *around}
    return sorted(exp for exp in exponents if 0 <= exp <= top)


def _fraction_corners(fmt: Minifloat) -> list[int]:
    ones = (1 << fmt.man_bits) - 1
    half = (ones + 1) // 2
    alternating = int("01" * 16, 2)
    fractions = {0, 1, 2, half - 1, half, half + 1, ones - 1, ones}
    fractions |= {alternating & ones, alternating << 1 & ones}
    return sorted(fraction for fraction in fractions if 0 <= fraction <= ones)


def near_ties(src: Scalar, dst: Scalar) -> Codes:
    """Return codes of `src` at and one step beside every value of `dst` and every midpoint.

    For a wide `dst` (more than 12 bits) only around its corner codes.
    """
    if dst.width_bits <= 12:
        codes = np.arange(1 << dst.width_bits, dtype=np.uint64)
    else:
        corners = corner_codes(dst)
        codes = np.unique(np.concatenate([corners, corners + np.uint64(1)]))
        codes = codes[codes >> np.uint64(dst.width_bits) == 0]
    values = decode(codes, dst)
    values = np.unique(values[np.isfinite(values)])
    middles = (values[:-1] + values[1:]) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)
        points = np.concatenate([values, middles, values[-1:] * 2, values[:1] * 2])
        exact = encode(points, src, rounding=Rounding.RTZ).astype(np.uint64)
    mask = np.uint64((1 << src.width_bits) - 1)
    return np.unique(np.concatenate([exact - np.uint64(1), exact, exact + np.uint64(1)]) & mask)


def _unique(codes: list[int]) -> Codes:
    return np.unique(np.array(codes, dtype=np.uint64))
