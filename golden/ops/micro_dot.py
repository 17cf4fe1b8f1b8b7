"""micro_dot: exact dots of blocks with micro-exponents, summed in order as `mx_dot` sums them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..blocks.formats import PAIR, MicroMx, as_micro_mx
from ..codec import Codes, check_codes
from ..float_environment import in_default_environment
from ..formats import FormatError, Scalar, as_scalar
from .dot import (
    accumulate_in_order,
    block_exp,
    element_integers,
    require_same_block,
    round_partial,
)


@in_default_environment
def micro_dot(
    a_codes: npt.ArrayLike,
    a_micro: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_micro: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    first: npt.ArrayLike,
    a: MicroMx | str,
    b: MicroMx | str,
    acc: Scalar | str,
) -> Codes:
    """Return the running accumulator after each block pair, as the dot unit shows it.

    A step is that of `mx_dot`: the exact sum of a_i 2^-ma_i * b_i 2^-mb_i over the block, with the
    micro-exponent m of an element's pair; one rounding of that times 2^(ea + eb) to `acc`; and one
    of the sum with what came before.

    Args:
        a_codes, b_codes: element codes (n, block_size), one block pair a step.
        a_micro, b_micro: micro-exponents (n, block_size / 2), 0 or 1.
        a_scale, b_scale: scale codes (n,).
        first: (n,), nonzero where the accumulator restarts from +0 before that step.
        a, b: the formats; their elements may differ in width.
        acc: accumulator format, Minifloat or FixedPoint.

    Returns:
        Codes of `acc`, (n,). A zero dot is +0; a NaN scale makes the partial NaN (the largest value
        where `acc` has no NaN). The unit starts at +0.

    Raises:
        FormatError: a format without micro-exponents, two block sizes, shapes that do not fit, or a
            code that is too wide.

    >>> from plena_cosim import golden
    >>> mx6 = golden.blocks.get_block_format("mx6", block_size=2)  # 1.5 and 0.5 (twice 1 and 0.5)
    >>> acc = golden.ops.micro_dot([[12, 4]], [[0]], [127], [[8, 8]], [[1]], [128], [1],
    ...                            mx6, mx6, "bf16")
    >>> golden.decode(acc, golden.get_format("bf16")).tolist()
    [2.0]
    """
    a, b, acc = as_micro_mx(a), as_micro_mx(b), as_scalar(acc)
    require_same_block(a, b)
    left, right = _halves(a_codes, a_micro, a), _halves(b_codes, b_micro, b)
    scale_a = check_codes(a_scale, a.mx.scale_bits, f"{a.name} scale")
    scale_b = check_codes(b_scale, b.mx.scale_bits, f"{b.name} scale")
    if left.shape != right.shape:
        raise FormatError(
            f"micro_dot: need as many blocks of a as of b, got {left.shape} and {right.shape}"
        )
    if not left.shape[:1] == scale_a.shape == scale_b.shape:
        raise FormatError(
            f"micro_dot: need one scale a block, {left.shape[:1]}, "
            f"got {scale_a.shape} and {scale_b.shape}"
        )
    dots = (left * right).sum(axis=1)  # below 2^(16 + 16 + 12) in magnitude
    nan = (scale_a == a.mx.scale_nan_code) | (scale_b == b.mx.scale_nan_code)
    exp = block_exp(scale_a, a.mx) - 1 + block_exp(scale_b, b.mx) - 1
    return accumulate_in_order(round_partial(dots, exp, nan, acc), first, acc, "micro_dot")


def _halves(codes: npt.ArrayLike, micro: npt.ArrayLike, fmt: MicroMx) -> npt.NDArray[np.int64]:
    """Return the elements of one side in units of half a step: code * 2^(1 - micro).

    Args:
        codes: element codes (n, block_size).
        micro: micro-exponents (n, block_size / 2).
        fmt: the format.
    """
    elements = check_codes(codes, fmt.mx.element.width_bits, fmt.name)
    shifts = check_codes(micro, 1, f"{fmt.name} micro-exponent")
    size = fmt.block_size
    if elements.ndim != 2 or elements.shape[1] != size:
        raise FormatError(f"micro_dot: need codes of shape (n, {size}), got {elements.shape}")
    if shifts.shape != (len(elements), size // PAIR):
        raise FormatError(
            f"micro_dot: need a micro-exponent a pair, {(len(elements), size // PAIR)}, "
            f"got {shifts.shape}"
        )
    coarse = 1 - np.repeat(shifts.astype(np.int64), PAIR, axis=1)
    return element_integers(elements, fmt.mx) << coarse
