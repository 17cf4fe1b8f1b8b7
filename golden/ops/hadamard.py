"""hadamard: the Hadamard transform of blocks of K * 2^r elements, normalised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from ..hadamard_matrices import Signs, hadamard_matrix
from ..hadamard_sizes import require_hadamard_size
from ..transcendental import reciprocal_square_root
from .add import add, sub
from .mul import mul
from .reduce import reduce_sum
from .sign import neg


@in_default_environment
def hadamard(
    x: npt.ArrayLike, fmt: Minifloat | str, *, block: int | None = None, inverse: bool = False
) -> Codes:
    """Return the orthonormal Hadamard transform of each block along the last axis.

    A block is K × 2^r elements; element t of group k has index k * 2^r + t. Three steps:

    1. Only where K > 1: element t of group i becomes the sum of ±x_{k, t} over k, + where the
       element (i, k) of `hadamard_matrix(K)` is 1. The sum is the tree of `reduce_sum`, groups 0
       and 1 first; the signs are exact.
    2. r stages of butterflies: stage j (0 first) replaces elements t and t + 2^j, for every t with
       bit j clear, by add(x_t, x_{t + 2^j}) and sub(x_t, x_{t + 2^j}). The order of rows is
       Sylvester's.
    3. Every element is multiplied once by RN(1 / sqrt(K * 2^r)).

    Args:
        x: codes of `fmt`, shape (…, n).
        fmt: format of every step.
        block: length of one transform, K * 2^r with K = 1 or 12, 20 … 172, which divides n;
            consecutive blocks are independent. The largest power of two by default: 64 for n = 576.
        inverse: step 1 takes the element (k, i) of the matrix. It differs for Williamson's alone
            (K = 92, 116, 156, 172), which are not symmetric.

    Returns:
        Codes of `fmt`, shape (…, n). Sums saturate; an Inf makes its block Inf and NaN.

    Raises:
        FormatError: `block` does not divide n, or there is no matrix of that order.

    >>> from plena_cosim import golden
    >>> x = [0x3F80, 0x4000, 0x4040, 0x4080]                                    # 1, 2, 3, 4
    >>> y = golden.ops.hadamard(x, golden.get_format("bf16"))
    >>> golden.decode(y, golden.get_format("bf16")).tolist()
    [5.0, -1.0, -2.0, 0.0]
    """
    fmt = as_minifloat(fmt)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    length = codes.shape[-1] if codes.ndim else 0
    if length == 0:
        raise FormatError(f"hadamard: need rows of at least one element, got shape {codes.shape}")
    size = length & -length if block is None else block
    k = require_hadamard_size(size, length, "hadamard: block")
    if k > 1:
        matrix = hadamard_matrix(k)
        groups = codes.reshape(*codes.shape[:-1], -1, k, size // k)
        codes = _signed_sums(groups, matrix.T if inverse else matrix, fmt).reshape(codes.shape)
    for stage in range((size // k).bit_length() - 1):
        pairs = codes.reshape(*codes.shape[:-1], -1, 2, 1 << stage)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        both = np.stack([add(low, high, fmt), sub(low, high, fmt)], axis=-2)
        codes = both.reshape(codes.shape)
    return mul(codes, encode(reciprocal_square_root(size, 0), fmt), fmt)


def _signed_sums(groups: Codes, matrix: Signs, fmt: Minifloat) -> Codes:
    """Return the sums of step 1 for codes (…, K, 2^r)."""
    lanes = np.moveaxis(groups, -2, -1)  # (…, 2^r, K)
    negated = neg(lanes, fmt)
    zero = fmt.sign_mask if fmt.has_negative_zero else 0  # a seed that changes no sum
    seeds = np.full(lanes.shape[:-1], zero)
    sums = [reduce_sum(np.where(row > 0, lanes, negated), 1, seeds, fmt, fmt) for row in matrix]
    return np.stack(sums, axis=-2)
