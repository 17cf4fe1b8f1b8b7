"""mx_requantize: MX blocks of one format to blocks of another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes, decode
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, as_mx
from ..mx import decode_scale, quantize_blocks
from .dot import require_same_block


@in_default_environment
def mx_requantize(
    codes: npt.ArrayLike, scale: npt.ArrayLike, src: Mx | str, dst: Mx | str
) -> tuple[Codes, Codes]:
    """Return blocks of `src` quantised to `dst`, from their exact values.

    Args:
        codes: element codes of `src`, (n, block_size).
        scale: scale codes of `src`, (n,).
        src, dst: MX formats of one block size; `dst` brings scale rule and rounding.

    Returns:
        Element codes (n, block_size) and scale codes (n,) of `dst`: what `quantize` gives for the
        dequantised values. Nothing is rounded in between. A NaN scale or an Inf or NaN element
        counts as that value in every element it makes special.

    Raises:
        FormatError: shapes that do not fit, or two block sizes.

    >>> from plena_cosim import golden
    >>> mxint8, e2m1 = (golden.get_format(name, block_size=2) for name in ("mxint8", "mxfp4_e2m1"))
    >>> codes, scales = golden.ops.mx_requantize([[96, 224]], [127], mxint8, e2m1)  # 1.5, -0.5
    >>> codes.tolist(), scales.tolist()
    ([[7, 12]], [125])
    """
    src, dst = as_mx(src), as_mx(dst)
    require_same_block(src, dst)
    elements = decode(codes, src.element)
    scales = decode_scale(check_codes(scale, src.scale_bits, f"{src.name} scale"), src)
    if elements.ndim != 2 or elements.shape != (scales.size, src.block_size) or scales.ndim != 1:
        raise FormatError(
            f"mx_requantize: need codes of shape (n, {src.block_size}) and scales of shape (n,), "
            f"got {elements.shape} and {scales.shape}"
        )
    with np.errstate(invalid="ignore"):
        return quantize_blocks(elements * scales[:, None], dst)
