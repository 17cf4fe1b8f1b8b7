"""The one place that rounds.

A finite magnitude enters as `significand * 2^exp` with an integer significand below 2^62; it leaves
as the integer number of units `2^unit_exp` that the rounding mode chooses. Encoders decide what the
unit is (it depends on the binade); nobody else discards a bit.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from .formats import Rounding

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


def random_bits(seed: int, index: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 32 random bits for each index: the top half of splitmix64(seed, index).

    Args:
        seed: any integer; taken modulo 2^64.
        index: position of the element in its array, C order.

    Returns:
        uint64 array, each in 0 .. 2^32-1.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    >>> [int(bits) for bits in random_bits(0, np.arange(3, dtype=np.uint64))]
    [3793791033, 1853398634, 113532184]
    """
    with np.errstate(over="ignore"):
        z = np.uint64(int(seed) % 2**64) + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) >> np.uint64(32)


def draw_seed(seed: int, module: str, role: str, call: int) -> int:
    """Return the seed with which one operand of one module is rounded stochastically.

    Args:
        seed: of the recipe, any integer.
        module: name in the model.
        role: of the operand, such as "data_in".
        call: how often this role of this module has been rounded before.

    Returns:
        0 .. 2^64-1: the first eight bytes, the lowest one first, of the SHA-256 digest of the four,
        in UTF-8, with a line feed between two.

    >>> hex(draw_seed(0, "model.layers.0.mlp.up_proj", "data_in", 0))
    '0x5149517bf2caece1'
    """
    text = f"{seed}\n{module}\n{role}\n{call}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def round_to_unit(
    significand: Int64,
    drop_bits: Int64,
    *,
    negative: Bool,
    rounding: Rounding,
    base: Int64 | int = 0,
    seed: int = 0,
) -> Int64:
    """Return base + significand / 2^drop_bits as an integer, rounded by the mode.

    Args:
        significand: int64 in 0 .. 2^62-1.
        drop_bits: how many low bits to round away; negative shifts left (exact). The caller sees
            to it that the result is below 2^62.
        negative: sign of each number; the directed modes need it.
        rounding: the mode.
        base: added to the result before a tie looks for the even integer. Where the result is a
            code, this makes ties go to the even code, also in a format without fraction bits.
        seed: for `stochastic` only. Element i (C order) goes away from zero exactly when
            random_bits(seed, i) < floor(discarded fraction * 2^32).

    Returns:
        int64 magnitude: base plus units of the last place.
    """
    drop = np.clip(drop_bits, 0, 62)  # 62 already discards everything
    kept = significand >> drop
    rest = significand - (kept << drop)
    half = np.int64(1) << np.clip(drop_bits - 1, 0, 62)  # 1 where nothing is dropped: never reached
    if rounding is Rounding.RNE:
        up = (rest > half) | ((rest == half) & ((base + kept) & 1 == 1))
    elif rounding is Rounding.RNA:
        up = rest >= half
    elif rounding is Rounding.RTZ:
        up = np.zeros(rest.shape, dtype=bool)
    elif rounding is Rounding.RUP:
        up = (rest > 0) & ~negative
    elif rounding is Rounding.RDOWN:
        up = (rest > 0) & negative
    else:
        # floor(rest * 2^32 / 2^drop), with the true drop even where it exceeds 62
        down = np.clip(drop_bits - 32, 0, 62)
        threshold = np.where(drop > 32, rest >> down, rest << np.clip(32 - drop, 0, 32))
        index = np.arange(rest.size, dtype=np.uint64).reshape(rest.shape)
        up = random_bits(seed, index).astype(np.int64) < threshold
    lifted: Int64 = base + ((kept + up) << np.clip(-drop_bits, 0, 62))
    return lifted
