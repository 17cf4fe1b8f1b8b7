"""layer_norm: each row less its mean, divided by its standard deviation, times a gain, plus."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes, check_codes
from ..float_environment import in_default_environment
from ..formats import Minifloat, as_minifloat
from .add import add, sub
from .rms_norm import mean, rms_norm


@in_default_environment
def layer_norm(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike,
    beta: npt.ArrayLike,
    eps: npt.ArrayLike,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int | None = None,
) -> Codes:
    """Return the layer normalisation of each row, a fixed sequence that rounds once a step.

    With V = `fmt` and R = `red`:

    1. u = mul(cast_V(sum of x in R, from +0), RN_V(1 / n))
    2. d = sub(x, u)
    3. z = rms_norm(d, gamma, eps), its six steps
    4. y = add(z, beta)

    Args:
        x: codes of `fmt`, shape (…, n).
        gamma, beta: codes of `fmt`, broadcastable to the shape of `x`.
        eps, fmt, red, lanes: as in `rms_norm`.

    Returns:
        Codes of `fmt`, shape (…, n). A row of equal elements whose mean is exact gives beta (with
        eps = 0: NaN, or beta where `fmt` has no Inf). An Inf or NaN makes its row NaN.

    Raises:
        FormatError: rows without an element, or a code too wide.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016, equation 4, with the variance taken
    over the rounded differences.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> [hex(c) for c in golden.ops.layer_norm([0x3F80, 0x4040], 0x3F80, 0, 0, bf16, fp32)]   # 1, 3
    ['0xbf80', '0x3f80']
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    centred = sub(codes, mean(codes, fmt, red, lanes=lanes)[..., None], fmt)
    return add(rms_norm(centred, gamma, eps, fmt, red, lanes=lanes), beta, fmt)
