"""fp_to_micro: blocks of scalar codes to integers with micro-exponents, as the hardware does it."""

from __future__ import annotations

import numpy.typing as npt

from ..blocks.formats import MicroMx, as_micro_mx
from ..blocks.micro import quantize_micro
from ..blocks.rows import Rows
from ..codec import Codes, decode
from ..float_environment import in_default_environment
from ..formats import FormatError, Scalar, as_scalar


@in_default_environment
def fp_to_micro(
    x: npt.ArrayLike, src: Scalar | str, mx: MicroMx | str
) -> tuple[Codes, Codes, Codes]:
    """Quantise blocks of codes of `src` to a format with micro-exponents.

    Args:
        x: codes of `src`, shape (n, mx.block_size).
        src: format of the input.
        mx: the block format: MX4, MX6, MX9 or any other MicroMx.

    Returns:
        Element codes (n, mx.block_size), micro-exponents (n, mx.block_size / 2) of 0 or 1, and
        scale codes (n,): what `golden.blocks.quantize` gives for the same values. A block of zeros
        is 0 throughout; one that holds a NaN or Inf has scale code 255, and else the same.

    Raises:
        FormatError: `mx` has no micro-exponents, or the shape is not (n, block_size).

    Source: arXiv 2302.08007, section 3.

    >>> from plena_cosim import golden
    >>> mx6 = golden.blocks.get_block_format("mx6", block_size=4)
    >>> x = golden.encode([[1.0, -0.3, 0.3, 0.05]], "bf16")
    >>> [part.tolist() for part in golden.ops.fp_to_micro(x, "bf16", mx6)]
    [[[8, 30, 5, 1]], [[0, 1]], [127]]
    """
    src, mx = as_scalar(src), as_micro_mx(mx)
    values = decode(x, src)
    if values.ndim != 2 or values.shape[1] != mx.block_size:
        raise FormatError(
            f"fp_to_micro: need codes of shape (n, {mx.block_size}), got {values.shape}"
        )
    q = quantize_micro(Rows.of(values, -1, mx.block_size), mx)
    return q.codes, q.micro, q.scales[:, 0]
