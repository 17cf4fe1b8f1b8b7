"""compare: how two codes are ordered, as flags."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..codec import decode
from ..float_environment import in_default_environment
from ..formats import Minifloat, as_minifloat

Flags = npt.NDArray[np.uint8]


class Comparison(NamedTuple):
    """Flags (uint8, 0 or 1); at most one is set, and none where a > b."""

    less: Flags
    equal: Flags
    unordered: Flags


@in_default_environment
def compare(a: npt.ArrayLike, b: npt.ArrayLike, fmt: Minifloat | str) -> Comparison:
    """Return whether a < b, a = b, or one of them is NaN (unordered).

    Args:
        a, b: codes of `fmt`, broadcastable.
        fmt: format of both.

    Returns:
        Comparison. Numbers are compared by value: -0 equals +0, Inf equals Inf.

    Raises:
        FormatError: a code too wide for `fmt`, or `fmt` is not a Minifloat.

    Source: IEEE 754-2019 §5.11.

    >>> from plena_cosim import golden
    >>> flags = golden.ops.compare([0x3F80, 0x8000], [0x4000, 0x0000], golden.get_format("bf16"))
    >>> flags.less.tolist(), flags.equal.tolist(), flags.unordered.tolist()
    ([1, 0], [0, 1], [0, 0])
    """
    fmt = as_minifloat(fmt)
    left, right = decode(a, fmt), decode(b, fmt)
    unordered = np.isnan(left) | np.isnan(right)
    return Comparison(
        (left < right).astype(np.uint8),
        (left == right).astype(np.uint8),
        unordered.astype(np.uint8),
    )
