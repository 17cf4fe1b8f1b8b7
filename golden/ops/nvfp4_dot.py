"""nvfp4_dot: exact products of blocks whose scales are minifloats, ordered accumulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import Codes, decode
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, Scalar, as_minifloat, as_scalar
from .dot import accumulate_in_order, round_partial

Integers = npt.NDArray[np.object_]


@in_default_environment
def nvfp4_dot(
    a_codes: npt.ArrayLike,
    a_scale: npt.ArrayLike,
    b_codes: npt.ArrayLike,
    b_scale: npt.ArrayLike,
    first: npt.ArrayLike,
    element: Minifloat | str = "e2m1",
    scale: Minifloat | str = "e4m3",
    acc: Scalar | str = "fp32",
) -> Codes:
    """Return the running accumulator after each pair of blocks.

    partial = RN_acc(sum(a_i * b_i) * a_scale * b_scale), rounded once from the exact value; then
    acc = RN_acc(acc + partial). The scales of both tensors, 1 / t each, are no part of it: a sum is
    multiplied by them once, outside.

    Args:
        a_codes, b_codes: codes of `element`, (n, lanes), a block a row; NVFP4's have 16 lanes.
        a_scale, b_scale: codes of `scale`, (n,).
        first: (n,), nonzero where the accumulator restarts from +0 before that step.
        element, scale: formats of elements and of their scales.
        acc: accumulator format, Minifloat or FixedPoint.

    Returns:
        Codes of `acc`, (n,). The unit starts at +0. A zero partial is +0. An Inf or NaN element or
        scale makes it NaN (the largest value where `acc` has none). Sums saturate, those of a
        wrapping FixedPoint wrap.

    Raises:
        FormatError: shapes that do not fit, or a code that is too wide.

    >>> from plena_cosim import golden
    >>> sums = golden.ops.nvfp4_dot([[2, 4]], [0x38], [[4, 12]], [0x40], [1])  # (2 - 4) * 1 * 2
    >>> golden.decode(sums, "fp32").tolist()
    [-4.0]
    """
    element, scale, acc = as_minifloat(element), as_minifloat(scale), as_scalar(acc)
    a, b = decode(a_codes, element), decode(b_codes, element)
    scales = decode(a_scale, scale), decode(b_scale, scale)
    if a.ndim != 2 or a.shape != b.shape or a.shape[1] == 0:
        raise FormatError(f"nvfp4_dot: need two (n, lanes) arrays, got {a.shape} and {b.shape}")
    if not a.shape[:1] == scales[0].shape == scales[1].shape:
        raise FormatError(
            f"nvfp4_dot: need one scale a block, {a.shape[:1]}, "
            f"got {scales[0].shape} and {scales[1].shape}"
        )
    dots = (_integers(a, element) * _integers(b, element)).sum(axis=1)
    products = _integers(scales[0], scale) * _integers(scales[1], scale)
    special = ~(np.isfinite(a) & np.isfinite(b)).all(axis=1)
    special |= ~(np.isfinite(scales[0]) & np.isfinite(scales[1]))
    exp = np.full(len(a), 2 * (element.lsb_exp + scale.lsb_exp), dtype=np.int64)
    partials = round_partial(dots * products, exp, special, acc)
    return accumulate_in_order(partials, first, acc, "nvfp4_dot")


def _integers(values: npt.NDArray[Any], fmt: Minifloat) -> Integers:
    """Return numbers as Python integers in units of 2^lsb_exp; Inf and NaN as 0."""
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.asarray(np.frompyfunc(int, 1, 1)(np.ldexp(finite, -fmt.lsb_exp)), dtype=object)
