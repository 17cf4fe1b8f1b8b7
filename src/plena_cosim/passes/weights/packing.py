"""Packing: codes of any width laid end to end in bytes, and back.

The stream is little-endian: code 0 fills the lowest bits of byte 0, and each code follows the one
before it without a gap. Eight codes of W bits are W bytes, so that every byte is put together from
the same few columns in each group of codes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from plena_cosim.golden import FormatError

_MAX_WIDTH_BITS = 32
_PIECE_CODES = 1 << 16
"""What fits the cache; a multiple of every group."""


def packed_bytes(count: int, width_bits: int) -> int:
    """Return the bytes that `count` codes of `width_bits` bits take."""
    return -(-count * width_bits // 8)


def code_dtype(width_bits: int) -> torch.dtype:
    """Return the torch dtype that codes of a width travel in."""
    if not 1 <= width_bits <= _MAX_WIDTH_BITS:
        raise FormatError(f"codes of {width_bits} bits cannot be packed; allowed: 1..32")
    if width_bits <= 8:
        return torch.uint8
    return torch.int32 if width_bits <= 16 else torch.int64


def pack_bits(codes: Tensor, width_bits: int) -> Tensor:
    """Return codes as a dense stream of bytes.

    Args:
        codes: integers of `width_bits` bits (not checked), any shape; taken in row-major order.
        width_bits: 1..32.

    Returns:
        uint8, one dimension; the unused bits of the last byte are 0.

    >>> pack_bits(torch.tensor([0x1, 0x2, 0xF]), 4).tolist()
    [33, 15]
    """
    flat = codes.reshape(-1).to(code_dtype(width_bits))
    if width_bits == 8:
        return flat.clone()
    packed = flat.new_empty(packed_bytes(flat.numel(), width_bits), dtype=torch.uint8)
    group_codes, group_bytes = _group(width_bits)
    for first in range(0, flat.numel(), _PIECE_CODES):
        piece = flat[first : first + _PIECE_CODES]
        groups = -(-piece.numel() // group_codes)
        if piece.numel() < groups * group_codes:
            piece = torch.cat([piece, piece.new_zeros(groups * group_codes - piece.numel())])
        columns = piece.view(groups, group_codes)
        out = piece.new_zeros(groups, group_bytes)
        for code, byte, shift in _overlaps(width_bits):
            out[:, byte] |= _shifted(columns[:, code], shift)
        start = first * width_bits // 8
        target = packed[start : start + groups * group_bytes]
        target.copy_((out & 0xFF).view(-1)[: target.numel()])
    return packed


def unpack_bits(packed: Tensor, width_bits: int, shape: torch.Size) -> Tensor:
    """Return the codes of a stream that `pack_bits` made.

    Args:
        packed: uint8, one dimension, as long as `packed_bytes` says.
        width_bits: of a code.
        shape: of the codes.

    Returns:
        Codes in `code_dtype(width_bits)`.

    Raises:
        FormatError: the stream is not of that type and length.
    """
    dtype, count = code_dtype(width_bits), shape.numel()
    needed = packed_bytes(count, width_bits)
    if packed.dtype != torch.uint8 or packed.shape != (needed,):
        raise FormatError(
            f"{count} codes of {width_bits} bits take {needed} bytes, got {packed.dtype} of shape "
            f"{tuple(packed.shape)}"
        )
    if width_bits == 8:
        return packed.clone().view(shape)
    codes = packed.new_empty(count, dtype=dtype)
    group_codes, group_bytes = _group(width_bits)
    mask = (1 << width_bits) - 1
    for first in range(0, count, _PIECE_CODES):
        target = codes[first : first + _PIECE_CODES]
        groups = -(-target.numel() // group_codes)
        start = first * width_bits // 8
        piece = packed[start : start + groups * group_bytes].to(dtype)
        if piece.numel() < groups * group_bytes:
            piece = torch.cat([piece, piece.new_zeros(groups * group_bytes - piece.numel())])
        columns = piece.view(groups, group_bytes)
        out = piece.new_zeros(groups, group_codes)
        for code, byte, shift in _overlaps(width_bits):
            out[:, code] |= _shifted(columns[:, byte], -shift)
        target.copy_((out & mask).view(-1)[: target.numel()])
    return codes.view(shape)


def _group(width_bits: int) -> tuple[int, int]:
    """Return the smallest number of codes that fills whole bytes, and those bytes."""
    common = math.gcd(8, width_bits)
    return 8 // common, width_bits // common


def _overlaps(width_bits: int) -> Iterator[tuple[int, int, int]]:
    """Yield (code, byte, shift) for each code of a group and each byte that holds some of it.

    Shifted left by `shift`, the code lies as it does in the byte; negative is to the right.
    """
    for code in range(_group(width_bits)[0]):
        low = code * width_bits
        for byte in range(low // 8, (low + width_bits - 1) // 8 + 1):
            yield code, byte, low - 8 * byte


def _shifted(codes: Tensor, left: int) -> Tensor:
    return codes << left if left >= 0 else codes >> -left
