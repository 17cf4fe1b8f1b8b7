"""Sizes K * 2^r that have a Hadamard matrix here; nothing is computed, so that recipes read it."""

from __future__ import annotations

from collections.abc import Iterable

from .formats import FormatError

_LARGEST_ODD = 43


def hadamard_orders() -> tuple[int, ...]:
    """Return the orders K, ascending.

    >>> hadamard_orders()[:5], hadamard_orders()[-1]
    ((1, 12, 20, 28, 36), 172)
    """
    return (1, *(4 * odd for odd in range(3, _LARGEST_ODD + 1, 2)))


def hadamard_order(n: int) -> int | None:
    """Return the K of n = K * 2^r; None where there is no matrix of order n here.

    >>> [hadamard_order(n) for n in (64, 576, 11008, 6, 188)]
    [1, 36, 172, None, None]
    """
    if n < 1:
        return None
    odd = n // (n & -n)
    k = 1 if odd == 1 else 4 * odd
    return k if k in hadamard_orders() and n % k == 0 else None


def require_hadamard_size(size: int, axis: int, what: str, *, least: int = 1) -> int:
    """Return the K of a size K * 2^r that divides an axis.

    Args:
        size: of the blocks of an axis.
        axis: its length.
        what: whose size it is, and its name, for the message.
        least: the smallest size that is allowed.

    Raises:
        FormatError: the size does not divide the axis, there is no matrix of this order, or it is
            too small; the message names the nearest sizes that fit.

    >>> require_hadamard_size(24, 48, "block")
    12
    """
    k = hadamard_order(size)
    if k is None or size < least or axis < 1 or axis % size:
        raise FormatError(
            f"{what} must be {HADAMARD_SIZES} that divides the axis of {axis} elements, got "
            f"{size}; {nearest_hadamard_sizes(size, axis)}"
        )
    return k


def nearest_hadamard_sizes(size: int, axis: int | None = None) -> str:
    """Return words for a message: the nearest sizes from 2 on below and above one that is none.

    Args:
        size: what was asked for.
        axis: the length that sizes divide; None: any.

    >>> nearest_hadamard_sizes(188), nearest_hadamard_sizes(188, 576)
    ('nearest: 184, 192', 'nearest: 144, 192')
    >>> nearest_hadamard_sizes(4, 21)
    'none fits'
    """
    limit = 2 * max(size, 1) if axis is None else axis
    sizes = [
        k << r
        for k in hadamard_orders()
        for r in range(max(limit, 0).bit_length())
        if 2 <= k << r <= limit and (axis is None or axis % (k << r) == 0)
    ]
    found = [max((n for n in sizes if n < size), default=0)]
    found += [min((n for n in sizes if n > size), default=0)]
    words = joined_sizes(n for n in found if n)
    return f"nearest: {words}" if words else "none fits"


def joined_sizes(numbers: Iterable[int]) -> str:
    """Return sizes for a message."""
    return ", ".join(str(number) for number in numbers)


def orders_text() -> str:
    """Return the orders K above 1 for a message."""
    first, second, third, *_, last = hadamard_orders()[1:]
    return f"{first}, {second}, {third} … {last}"


HADAMARD_SIZES = f"a power of two or K * 2^r (K = {orders_text()})"
"""What sizes there are, in the words of a message."""
