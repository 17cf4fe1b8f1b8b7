"""fp_to_mx and mx_to_fp: between blocks of scalar codes and MX codes, as the hardware does it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes, decode, encode
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, Overflow, Rounding, Scalar, as_mx, as_scalar
from ..mx import decode_scale, quantize_blocks


@in_default_environment
def fp_to_mx(x: npt.ArrayLike, src: Scalar | str, mx: Mx | str) -> tuple[Codes, Codes]:
    """Quantise blocks of codes of `src`.

    Args:
        x: codes of `src`, shape (n, mx.block_size).
        src: format of the input.
        mx: the MX format, with scale rule and rounding.

    Returns:
        Element codes (n, mx.block_size) and scale codes (n,): what `quantize` gives for the same
        values.

    Raises:
        FormatError: the shape is not (n, block_size).

    >>> from plena_cosim import golden
    >>> mx = golden.get_format("mxint4", block_size=2)
    >>> codes, scales = golden.ops.fp_to_mx([[0x3F80, 0xBE80]], golden.get_format("bf16"), mx)
    >>> codes.tolist(), scales.tolist()
    ([[4, 15]], [127])
    """
    src, mx = as_scalar(src), as_mx(mx)
    values = decode(x, src)
    if values.ndim != 2 or values.shape[1] != mx.block_size:
        raise FormatError(f"fp_to_mx: need codes of shape (n, {mx.block_size}), got {values.shape}")
    return quantize_blocks(values, mx)


@in_default_environment
def mx_to_fp(
    codes: npt.ArrayLike,
    scale: npt.ArrayLike,
    mx: Mx | str,
    dst: Scalar | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return each element times its block's scale, rounded once to `dst`.

    Args:
        codes: element codes (n, block_size).
        scale: scale codes (n,).
        mx: the MX format.
        dst: destination format.
        rounding, overflow: as in `encode`.

    Returns:
        Codes of `dst`, (n, block_size). A NaN scale makes the whole block NaN.

    Raises:
        FormatError: the shapes are not (n, block_size) and (n,), or a code is too wide.

    >>> from plena_cosim import golden
    >>> mx = golden.get_format("mxint4", block_size=2)
    >>> [hex(c) for c in golden.ops.mx_to_fp([[4, 15]], [127], mx, golden.get_format("bf16"))[0]]
    ['0x3f80', '0xbe80']
    """
    mx, dst = as_mx(mx), as_scalar(dst)
    elements = decode(codes, mx.element)
    scales = decode_scale(check_codes(scale, mx.scale_bits, f"{mx.name} scale"), mx)
    if elements.ndim != 2 or elements.shape != (scales.size, mx.block_size) or scales.ndim != 1:
        raise FormatError(
            f"mx_to_fp: need codes of shape (n, {mx.block_size}) and scales of shape (n,), "
            f"got {elements.shape} and {scales.shape}"
        )
    with np.errstate(invalid="ignore"):
        return encode(elements * scales[:, None], dst, rounding=rounding, overflow=overflow)
