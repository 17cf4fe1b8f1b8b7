"""hbm_store and hbm_load: scalar codes to MX blocks as they lie in memory, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes
from ..float_environment import in_default_environment
from ..formats import FormatError, Mx, Overflow, Rounding, Scalar, as_mx, as_scalar
from .convert import fp_to_mx, mx_to_fp

Bytes = npt.NDArray[np.uint8]


def block_bytes(mx: Mx | str) -> int:
    """Return the bytes of one block in memory: the packed elements, then one for the scale.

    >>> from plena_cosim import golden
    >>> block_bytes(golden.get_format("mxint4")), block_bytes(golden.get_format("mxfp6_e3m2"))
    (17, 25)
    """
    mx = as_mx(mx)
    return _element_bytes(mx) + 1


def pack_blocks(codes: npt.ArrayLike, scale: npt.ArrayLike, mx: Mx | str) -> Bytes:
    """Return blocks as bytes.

    Args:
        codes: element codes (n, block_size).
        scale: scale codes (n,).
        mx: the MX format.

    Returns:
        uint8 (n, block_bytes(mx)): element 0 in the lowest bits of byte 0, the next one right above
        it; unused bits of the last element byte are 0; the scale code in the last byte.

    Raises:
        FormatError: shapes that do not fit, or a code too wide.

    >>> from plena_cosim import golden
    >>> pack_blocks([[0x3, 0xE]], [0x7F], golden.get_format("mxint4", block_size=2)).tolist()
    [[227, 127]]
    """
    mx = as_mx(mx)
    elements = check_codes(codes, mx.element.width_bits, mx.name)
    scales = check_codes(scale, mx.scale_bits, f"{mx.name} scale")
    if elements.ndim != 2 or elements.shape != (scales.size, mx.block_size) or scales.ndim != 1:
        raise FormatError(
            f"pack_blocks: need codes of shape (n, {mx.block_size}) and scales of shape (n,), "
            f"got {elements.shape} and {scales.shape}"
        )
    places = np.arange(mx.element.width_bits)
    bits = (elements[:, :, None] >> places.astype(elements.dtype)) & 1
    packed = np.packbits(bits.reshape(len(elements), -1).astype(np.uint8), 1, bitorder="little")
    return np.concatenate([packed, scales[:, None].astype(np.uint8)], axis=1)


def unpack_blocks(data: npt.ArrayLike, mx: Mx | str) -> tuple[Codes, Codes]:
    """Return element codes (n, block_size) and scale codes (n,) of what `pack_blocks` made.

    Bits that no element and no scale uses are ignored.

    >>> from plena_cosim import golden
    >>> codes, scales = unpack_blocks([[227, 127]], golden.get_format("mxint4", block_size=2))
    >>> codes.tolist(), scales.tolist()
    ([[3, 14]], [127])
    """
    mx = as_mx(mx)
    stored = check_codes(data, 8, "bytes")
    if stored.ndim != 2 or stored.shape[1] != block_bytes(mx):
        raise FormatError(f"need bytes of shape (n, {block_bytes(mx)}), got {stored.shape}")
    width_bits = mx.element.width_bits
    bits = np.unpackbits(stored[:, :-1].astype(np.uint8), axis=1, bitorder="little")
    rows = bits[:, : mx.block_size * width_bits].reshape(len(stored), mx.block_size, width_bits)
    codes = (rows.astype(np.uint32) << np.arange(width_bits, dtype=np.uint32)).sum(axis=2)
    return codes.astype(np.uint32), stored[:, -1] & np.uint8((1 << mx.scale_bits) - 1)


@in_default_environment
def hbm_store(x: npt.ArrayLike, src: Scalar | str, mx: Mx | str) -> Bytes:
    """Return blocks of scalar codes as they are stored: quantised by `fp_to_mx`, then packed.

    Args:
        x: codes of `src`, shape (n, mx.block_size).
        src: format of the vector unit.
        mx: format in memory.

    Returns:
        uint8 (n, block_bytes(mx)), see `pack_blocks`.

    Raises:
        FormatError: the shape is not (n, block_size), or a code is too wide.

    >>> from plena_cosim import golden
    >>> mx = golden.get_format("mxint4", block_size=2)
    >>> golden.ops.hbm_store([[0x3F80, 0xBE80]], golden.get_format("bf16"), mx).tolist()
    [[244, 127]]
    """
    src, mx = as_scalar(src), as_mx(mx)
    return pack_blocks(*fp_to_mx(x, src, mx), mx)


@in_default_environment
def hbm_load(
    data: npt.ArrayLike,
    mx: Mx | str,
    dst: Scalar | str,
    *,
    rounding: Rounding | str = Rounding.RNE,
    overflow: Overflow | str = Overflow.SATURATE,
) -> Codes:
    """Return stored blocks as scalar codes: unpacked, then `mx_to_fp`.

    Args:
        data: uint8 (n, block_bytes(mx)).
        mx: format in memory.
        dst: format of the vector unit.
        rounding, overflow: as in `encode`.

    Returns:
        Codes of `dst`, (n, block_size). Where `dst` holds every value of `mx`, loading and storing
        again gives the same bytes for every idempotent scale rule.

    Raises:
        FormatError: `data` of another shape than (n, block_bytes(mx)), or a code too wide.

    >>> from plena_cosim import golden
    >>> mx = golden.get_format("mxint4", block_size=2)
    >>> [hex(c) for c in golden.ops.hbm_load([[244, 127]], mx, golden.get_format("bf16"))[0]]
    ['0x3f80', '0xbe80']
    """
    mx, dst = as_mx(mx), as_scalar(dst)
    return mx_to_fp(*unpack_blocks(data, mx), mx, dst, rounding=rounding, overflow=overflow)


def _element_bytes(mx: Mx) -> int:
    return -(-mx.block_size * mx.element.width_bits // 8)
