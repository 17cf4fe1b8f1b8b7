"""Matrix products of integers too long for float64, rounded to odd (Boldo and Melquiond 2008)."""

from __future__ import annotations

import torch
from torch import Tensor

from .carrier import DOUBLE

_INT_BITS = 62  # what an int64 holds with room for a sign and a carry


def product_to_odd(a: Tensor, b: Tensor, *, bits: int, modulus_exp: Tensor | None = None) -> Tensor:
    """Return a @ b of integers, rounded to odd at no fewer than 52 bits.

    Args:
        a, b: float64 (m, k) and (k, n), finite integers of at most `bits` bits.
        bits: 1..42.
        modulus_exp: int64 (m, n); the exact products are first taken modulo 2 to this power.

    Returns:
        float64 (m, n): exact where it is representable. A later rounding to 50 bits or fewer
        gives what rounding the exact sum once would give.
    """
    half = (bits + 1) // 2
    high_a, low_a = _split(a, half)
    high_b, low_b = _split(b, half)
    high = _exact_product(high_a, high_b, half)
    middle = _exact_product(high_a, low_b, half) + _exact_product(low_a, high_b, half)
    low = _exact_product(low_a, low_b, half)
    # Carry upwards until everything below `high` is one non-negative number of 2 * half bits.
    mask = (1 << half) - 1
    middle += low >> half
    high += middle >> half
    low = ((middle & mask) << half) | (low & mask)
    if modulus_exp is not None:
        low &= (1 << modulus_exp.clamp(0, 2 * half)) - 1
        kept_bits = modulus_exp - 2 * half
        masked = high & ((1 << kept_bits.clamp(0, _INT_BITS)) - 1)
        high = torch.where(kept_bits < _INT_BITS, masked, high)  # a longer modulus changes nothing
    return _join_to_odd(high, low, low_bits=2 * half)


def _split(integers: Tensor, half: int) -> tuple[Tensor, Tensor]:
    high = (integers * 2.0**-half).trunc_()
    return high, integers - high * 2.0**half


def _exact_product(a: Tensor, b: Tensor, half: int) -> Tensor:
    """Return a @ b as int64; factors have `half` bits, and each piece of k stays below 2^53."""
    step = 1 << (DOUBLE.man_bits + 1 - 2 * half)
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int64, device=a.device)
    for first in range(0, a.shape[1], step):
        total += (a[:, first : first + step] @ b[first : first + step]).long()
    return total


def _join_to_odd(high: Tensor, low: Tensor, *, low_bits: int) -> Tensor:
    """Return high * 2^low_bits + low (0 <= low < 2^low_bits) rounded to odd."""
    room = (_INT_BITS - 1 - _bit_length(high)).clamp(0, low_bits)
    below = low_bits - room
    joined = (high << room) | (low >> below)  # two's complement floor; OR 1 then rounds to odd
    joined |= ((low >> below) << below != low).long()
    drop = (_bit_length(joined) - (DOUBLE.man_bits + 1)).clamp(min=0)
    kept = joined >> drop
    kept |= (kept << drop != joined).long()
    return kept.double() * DOUBLE.power_of_two(drop + below)


def _bit_length(integers: Tensor) -> Tensor:
    """Return the bit length of each magnitude, or one more just below a power of two."""
    return torch.frexp(integers.double())[1].long()
