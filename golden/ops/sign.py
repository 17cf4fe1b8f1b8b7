"""neg and abs: operations on the sign bit alone."""

from __future__ import annotations

import numpy.typing as npt

from ..codec import Codes, check_codes
from ..formats import Minifloat, as_minifloat


def neg(a: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return -a: the code with its sign bit flipped, whatever it stands for, a NaN included.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.

    Source: IEEE 754-2019 §5.5.1.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.neg([0x3F80, 0x8000], golden.get_format("bf16"))]
    ['0xbf80', '0x0']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(a, fmt.width_bits, fmt.name)
    return codes ^ codes.dtype.type(fmt.sign_mask)


def abs(a: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return |a|: the code with its sign bit cleared, whatever it stands for, a NaN included.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.

    Source: IEEE 754-2019 §5.5.1.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.abs([0xBF80, 0x8000], golden.get_format("bf16"))]
    ['0x3f80', '0x0']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(a, fmt.width_bits, fmt.name)
    return codes & codes.dtype.type(fmt.sign_mask - 1)
