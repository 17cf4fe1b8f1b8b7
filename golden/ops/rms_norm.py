"""rms_norm: each row divided by its root mean square, times a gain."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes, check_codes, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from ..transcendental import reciprocal_of
from .add import add
from .cast import cast
from .mul import mul
from .reciprocal import reciprocal
from .reduce import reduce_rows, reduce_sum
from .sqrt import sqrt


@in_default_environment
def rms_norm(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike,
    eps: npt.ArrayLike,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int | None = None,
) -> Codes:
    """Return x / rms(x) * gamma, as a fixed sequence of operations that each round once.

    With V = `fmt` and R = `red`:

    1. q = mul(x, x)
    2. s = cast_V(sum of q in R, from +0)
    3. a = mul(s, RN_V(1 / n))
    4. t = add(a, eps)
    5. r = reciprocal(sqrt(t))
    6. y = mul(mul(x, r), gamma)

    Args:
        x: codes of `fmt`, shape (…, n).
        gamma: codes of `fmt`, broadcastable to the shape of `x`.
        eps: codes of `fmt`, broadcastable to (…).
        fmt: format V of elements and results.
        red: format R of the sum.
        lanes: VLEN; it orders the sum as `reduce_rows` does. One vector a row by default.

    Returns:
        Codes of `fmt`, shape (…, n). An all-zero row stays zero, and with eps = 0 is 0 * Inf = NaN
        (0 where `fmt` has no Inf). An Inf in a row makes the Inf NaN and the rest zero, a NaN makes
        the row NaN. Squares saturate: a row of huge elements comes out too large.

    Raises:
        FormatError: rows without an element, or a code too wide.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019, equation 4.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> [hex(c) for c in golden.ops.rms_norm([0x3F80, 0xC0E0], 0x3F80, 0, bf16, fp32)]   # 1, -7
    ['0x3e4d', '0xbfb3']
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    scaled = mul(codes, _reciprocal_rms(codes, eps, fmt, red, lanes=lanes)[..., None], fmt)
    return mul(scaled, gamma, fmt)


def _reciprocal_rms(
    codes: Codes, eps: npt.ArrayLike, fmt: Minifloat, red: Minifloat, *, lanes: int | None
) -> Codes:
    """Return r of `rms_norm`, steps 1 to 5: codes of `fmt`, (…)."""
    mean_square = mean(mul(codes, codes, fmt), fmt, red, lanes=lanes)
    return reciprocal(sqrt(add(mean_square, eps, fmt), fmt), fmt)


def mean(codes: Codes, fmt: Minifloat, red: Minifloat, *, lanes: int | None) -> Codes:
    """Return mul(cast_V(sum in R, from +0), RN_V(1 / n)) of each row: codes of `fmt`, (…).

    Args:
        codes: of `fmt`, shape (…, n), n >= 1.
        fmt, red, lanes: as in `rms_norm`.

    Raises:
        FormatError: rows without an element, or lanes < 1.
    """
    if codes.ndim == 0 or codes.shape[-1] == 0:
        raise FormatError(f"a mean needs rows of at least one element, got shape {codes.shape}")
    total = cast(reduce_rows(reduce_sum, codes, 0, fmt, red, lanes=lanes), red, fmt)
    return mul(total, encode(reciprocal_of(codes.shape[-1], 0), fmt), fmt)
