"""gelu_sigmoid and gelu_tanh: the two usual approximations of GELU, by the sigmoid unit."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes, check_codes, encode
from ..float_environment import in_default_environment
from ..formats import Minifloat, as_minifloat
from .add import add
from .mul import mul
from .sigmoid import sigmoid

# A float64 that uses all its bits is no midpoint of a format: rounding it rounds the real constant.
_SIGMOID_SLOPE = 1.702
_CUBE = 0.044715
_TANH_SLOPE = 1.5957691216057308
"""2 sqrt(2 / pi): tanh(u) = 2 sigmoid(2u) - 1, so that 0.5 (1 + tanh(u)) = sigmoid(2u)."""


@in_default_environment
def gelu_sigmoid(x: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return x * sigmoid(1.702 x), each step rounded once to `fmt`.

    1. t = mul(x, RN(1.702))
    2. y = mul(x, sigmoid(t)), the sigmoid correctly rounded as a unit

    Args:
        x: codes of `fmt`, any shape.
        fmt: format of elements and results.

    Returns:
        Codes of `fmt`. +Inf gives +Inf, -Inf gives -Inf * 0 = NaN, NaN gives NaN. Zero keeps its
        sign.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016, section 2.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.gelu_sigmoid([0x3F80, 0xBF80], golden.get_format("bf16"))]
    ['0x3f59', '0xbe1e']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    return mul(codes, sigmoid(mul(codes, encode(_SIGMOID_SLOPE, fmt), fmt), fmt), fmt)


@in_default_environment
def gelu_tanh(x: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), in the form x * sigmoid(2u).

    1. x2 = mul(x, x)
    2. x3 = mul(x2, x)
    3. a = mul(RN(0.044715), x3)
    4. b = add(x, a)
    5. t = mul(RN(2 sqrt(2/pi)), b)
    6. y = mul(x, sigmoid(t)), the sigmoid correctly rounded as a unit

    Args:
        x: codes of `fmt`, any shape.
        fmt: format of elements and results.

    Returns:
        Codes of `fmt`. +Inf gives +Inf, -Inf gives -Inf * 0 = NaN, NaN gives NaN. Zero keeps its
        sign. Powers of x saturate, where the sigmoid is 0 or 1 already unless `fmt` is narrow.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016, section 2; tanh(u) =
    2 sigmoid(2u) - 1.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.gelu_tanh([0x3F80, 0xBF80], golden.get_format("bf16"))]
    ['0x3f58', '0xbe22']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    cube = mul(mul(codes, codes, fmt), codes, fmt)
    inner = add(codes, mul(encode(_CUBE, fmt), cube, fmt), fmt)
    return mul(codes, sigmoid(mul(encode(_TANH_SLOPE, fmt), inner, fmt), fmt), fmt)
