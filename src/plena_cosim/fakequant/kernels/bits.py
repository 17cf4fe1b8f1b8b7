"""A format as the numbers that kernels round and look up by: bits of float32."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import Minifloat

from ..carrier import SINGLE
from ..cast import native_dtype, rounds_in_single, value_dtype

Bits = npt.NDArray[np.int32]
"""The fields of `rounding.Bits`, in their order."""

Table = npt.NDArray[np.float32]


@lru_cache(maxsize=256)
def format_bits(fmt: Minifloat) -> Bits | None:
    """Return what kernels need to know of a format; None where they do not round to it.

    Values have to lie in float32, and float32's own subnormals have to be the format's, or below
    all that it has.
    """
    native = native_dtype(fmt) is not None
    if value_dtype(fmt) is not SINGLE.dtype or not (native or rounds_in_single(fmt)):
        return None
    up = SINGLE.man_bits - fmt.man_bits
    below = fmt.emin - SINGLE.min_exp  # binades of float32 that this format has as subnormals
    unit = 1 << up if up else 0
    top = _bits(fmt.max_value)
    last = fmt.inf_code if fmt.has_inf else fmt.nan_code if fmt.has_nan else fmt.max_code
    fields = [
        unit,
        unit if not fmt.man_bits and below % 2 else 0,
        max(unit // 2 - 1, 0),
        -unit if unit else -1,
        (below + 1) << SINGLE.man_bits if below else 0,
        _bits(math.ldexp(1.0, fmt.lsb_exp + SINGLE.man_bits)) if below else 0,
        top,
        _bits(math.inf) if fmt.has_inf else top,
        _bits(math.nan) if fmt.has_nan else top,
        int(fmt.has_negative_zero),
        up,
        below << fmt.man_bits,
        last,
        fmt.nan_code if fmt.has_nan else last,
        1 << (fmt.width_bits - 1) if fmt.width_bits < 32 else 0,
        _bits(math.ldexp(1.0, -fmt.lsb_exp)) if below else 0,
    ]
    bits = np.array(fields, np.int32)
    bits.setflags(write=False)
    return bits


def _bits(value: float) -> int:
    single: Any = np.float32(value)
    return int(single.view(np.int32))
