"""neg and abs: operations on the sign bit alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes
from ..formats import Minifloat, as_minifloat


def neg(a: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return -a: the code with its sign bit flipped, whatever it stands for, a NaN included.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.

    Returns:
        Codes. Where there is no -0, zero and the NaN in its place stay what they are.

    Source: IEEE 754-2019 §5.5.1.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.neg([0x3F80, 0x8000], golden.get_format("bf16"))]
    ['0xbf80', '0x0']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(a, fmt.width_bits, fmt.name)
    flipped = codes ^ codes.dtype.type(fmt.sign_mask)
    return flipped if fmt.has_negative_zero else np.where(codes % fmt.sign_mask, flipped, codes)


def abs(a: npt.ArrayLike, fmt: Minifloat | str) -> Codes:
    """Return |a|: the code with its sign bit cleared, whatever it stands for, a NaN included.

    Args:
        a: codes of `fmt`.
        fmt: format of operand and result.

    Returns:
        Codes. A NaN in the place of -0 stays what it is.

    Source: IEEE 754-2019 §5.5.1.

    >>> from plena_cosim import golden
    >>> [hex(c) for c in golden.ops.abs([0xBF80, 0x8000], golden.get_format("bf16"))]
    ['0x3f80', '0x0']
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(a, fmt.width_bits, fmt.name)
    cleared = codes & codes.dtype.type(fmt.sign_mask - 1)
    return cleared if fmt.has_negative_zero else np.where(cleared, cleared, codes)
