"""The random bits of stochastic rounding, as golden defines them."""

from __future__ import annotations

import torch
from torch import Tensor


def _signed(bits: int) -> int:
    """Return 64 bits read as a two's complement integer, which is what torch computes with."""
    bits %= 1 << 64
    return bits - (1 << 64) if bits >> 63 else bits


def _shift_right(z: Tensor, by: int) -> Tensor:
    return (z >> by) & ((1 << (64 - by)) - 1)


def random_bits(seed: int, index: Tensor) -> Tensor:
    """Return 32 random bits for each index: the top half of splitmix64(seed, index).

    Args:
        seed: any integer; taken modulo 2^64.
        index: int64, position of the element.

    Returns:
        int64 in 0 .. 2^32-1, equal to golden's for every seed and index.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    >>> random_bits(0, torch.arange(3)).tolist()
    [3793791033, 1853398634, 113532184]
    """
    z = (index.to(torch.int64) + 1) * _signed(0x9E3779B97F4A7C15) + _signed(seed)
    z = (z ^ _shift_right(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shift_right(z, 27)) * _signed(0x94D049BB133111EB)
    return _shift_right(z ^ _shift_right(z, 31), 32)
