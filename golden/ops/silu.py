"""silu and swiglu: x times its sigmoid, spelled out in exp and reciprocal."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes, check_codes, encode
from ..float_environment import in_default_environment
from ..formats import Minifloat, as_minifloat
from .add import add
from .exp import exp
from .mul import mul
from .reciprocal import reciprocal
from .sign import neg


@in_default_environment
def silu(x: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return mul(x, reciprocal(add(1, exp(-x)))), each step rounded once to `fmt`.

    Args:
        x: codes of `fmt`, any shape.
        fmt: format of elements and results.

    Returns:
        Codes of `fmt`. +Inf gives +Inf, -Inf gives -Inf * 0 = NaN, NaN gives NaN. Zero keeps its
        sign. Where exp(-x) saturates, its reciprocal is a tiny number, not zero.

    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units", 2018; the sequence is
    docs/numerics.md's.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.silu([0x3F80, 0xBF80], golden.get_format("bf16"))]   # 1, -1
    ['0x3f3b', '0xbe8a']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    inverse = reciprocal(add(encode(1.0, fmt), exp(neg(codes, fmt), fmt), fmt), fmt)
    return mul(codes, inverse, fmt)


@in_default_environment
def swiglu(gate: npt.ArrayLike, up: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return mul(silu(gate), up).

    Args:
        gate, up: codes of `fmt`, broadcastable.
        fmt: format of elements and results.

    Returns:
        Codes of `fmt`.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    Source: Shazeer, "GLU variants improve transformer", 2020, equation 5.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.swiglu([0x3F80], [0x4000], golden.get_format("bf16"))]
    ['0x3fbb']
    """
    fmt = as_minifloat(fmt)
    return mul(silu(gate, fmt), up, fmt)
