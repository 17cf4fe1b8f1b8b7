"""hadamard: the Walsh-Hadamard transform of blocks of a power of two, normalised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from ..transcendental import square_root
from .add import add, sub
from .mul import mul


@in_default_environment
def hadamard(x: npt.ArrayLike, fmt: Minifloat | str, *, block: int | None = None) -> Codes:
    """Return the orthonormal Hadamard transform of each block along the last axis.

    k stages of butterflies, block = 2^k: stage j (0 first) replaces elements i and i + 2^j, for
    every i with bit j clear, by add(x_i, x_{i + 2^j}) and sub(x_i, x_{i + 2^j}). Then every element
    is multiplied once by RN(2^(-k/2)). The order of rows is Sylvester's.

    Args:
        x: codes of `fmt`, shape (…, n).
        fmt: format of every step.
        block: length of one transform, a power of two that divides n; consecutive blocks are
            independent. The largest such power by default: 64 for n = 576.

    Returns:
        Codes of `fmt`, shape (…, n). Sums saturate; an Inf makes its block Inf and NaN.

    Raises:
        FormatError: `block` is no power of two or does not divide n.

    >>> from plena_cosim import golden
    >>> x = [0x3F80, 0x4000, 0x4040, 0x4080]                                    # 1, 2, 3, 4
    >>> y = golden.ops.hadamard(x, golden.get_format("bf16"))
    >>> golden.decode(y, golden.get_format("bf16")).tolist()
    [5.0, -1.0, -2.0, 0.0]
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    length = codes.shape[-1] if codes.ndim else 0
    size = length & -length if block is None else block
    if size < 1 or size & (size - 1) or length == 0 or length % size:
        raise FormatError(
            f"hadamard: block must be a power of two that divides the {length} elements of a row, "
            f"got {size}"
        )
    stages = size.bit_length() - 1
    for stage in range(stages):
        pairs = codes.reshape(*codes.shape[:-1], -1, 2, 1 << stage)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        both = np.stack([add(low, high, fmt), sub(low, high, fmt)], axis=-2)
        codes = both.reshape(codes.shape)
    return mul(codes, encode(square_root(1, -stages), fmt), fmt)
