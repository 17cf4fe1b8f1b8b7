"""Hadamard matrices of the orders K from which transforms of K * 2^r elements are made.

The normal form is one for each K:

- K = 1, or 4 times an odd number from 3 to 43: then n = K * 2^r has one K.
- Paley's first construction where K - 1 is a prime power q = 4j + 3, else his second where K/2 - 1
  is a prime power q = 4j + 1, else Williamson's (92, 116, 156, 172).
- An element of the field of q = p^e is a polynomial in x; its coefficients, the constant one first,
  are the digits of its number to the base p. x^3 = x + 2 for 27, x^2 = x + 3 for 25 and x + 4 for
  49: the first polynomials with which x generates all units.
- The first row and the first column are all +1. Paley's matrices are symmetric, so that they are
  their own inverses, up to the factor K; Williamson's are not.

Sources: R. E. A. C. Paley, On orthogonal matrices, J. Math. Phys. 12 (1933); J. Williamson,
Hadamard's determinant theorem and the sum of four squares, Duke Math. J. 11 (1944).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from .formats import FormatError
from .hadamard_sizes import hadamard_orders, joined_sizes, orders_text

Signs = npt.NDArray[np.int8]


_WILLIAMSON = {
    92: ("+-+-+--++-++", "+++-++---+-+", "++-++++---++", "+++--+----+-"),
    116: ("+--++----+-++++", "+--+---+-+--+++", "++--++-+-++++--", "+-+++-+++--+-++"),
    156: (
        "+---+---+-++-++----+",
        "+-++------++--+-+-++",
        "++--+++-+--++-+-----",
        "+---+--++++----+-+-+",
    ),
    172: (
        "++-++-++-+-+---+--++++",
        "+-+-+----+-++-++---++-",
        "+++---++-++++-+-++--+-",
        "+++-+++++---++++---+--",
    ),
}
"""First rows of circulants A, B, C, D, of which A^2 + B^2 + C^2 + D^2 = K; they are symmetric, and
the first half of a row says the rest. Found by search for this file: of 39 and 43 among the rows
that a group of multipliers leaves as they are, or takes from B to C to D."""


@lru_cache(maxsize=32)
def hadamard_matrix(k: int) -> Signs:
    """Return the Hadamard matrix of order K, H H^T = K, in the normal form of this file.

    Args:
        k: one of `hadamard_orders()`.

    Returns:
        int8 of 1 and -1, shape (k, k), read-only.

    Raises:
        FormatError: there is none of this order here.

    >>> hadamard_matrix(12)[1].tolist()
    [1, -1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1]
    """
    if k not in hadamard_orders():
        below = max((order for order in hadamard_orders() if order < k), default=1)
        above = min((order for order in hadamard_orders() if order > k), default=below)
        raise FormatError(
            f"no Hadamard matrix of order {k} here: K is 1 or one of {orders_text()}, nearest: "
            f"{joined_sizes(dict.fromkeys((below, above)))}; a size is K * 2^r"
        )
    if k == 1:
        matrix = np.ones((1, 1), dtype=np.int8)
    elif k in _WILLIAMSON:
        matrix = _normalised(_williamson(_WILLIAMSON[k]))
    elif _prime_power(k - 1):
        matrix = _paley_first(k - 1)
    else:
        matrix = _normalised(_paley_second(k // 2 - 1))
    matrix.setflags(write=False)
    return matrix


def _normalised(matrix: Signs) -> Signs:
    """Return the matrix with rows, and then columns, negated until the first ones are all +1."""
    rows = matrix * matrix[:, :1]
    return rows * rows[:1]


# ---------------------------------------------------------------------------------- Paley


def _paley_first(q: int) -> Signs:
    """Return the matrix of order q + 1, q = 4j + 3: chi(a + b), and -1 where a + b = 0, bordered.

    Paley's chi(a - b) - 1 is skew but for its diagonal; taking row -a for row a makes it symmetric.
    """
    numbers, chi = _field(q)
    core = chi[numbers]
    core[core == 0] = -1
    matrix = np.ones((q + 1, q + 1), dtype=np.int8)
    matrix[1:, 1:] = core
    return matrix


def _paley_second(q: int) -> Signs:
    """Return the matrix of order 2 (q + 1), q = 4j + 1.

    C is chi(a - b), bordered by ones, symmetric with a zero diagonal. Its elements become 2 x 2
    matrices: ±1 becomes ± [1 1; 1 -1], a zero of the diagonal [1 -1; -1 -1].
    """
    numbers, chi = _field(q)
    negative = np.argmin(numbers, axis=1)  # a + (-a) = 0
    conference = np.zeros((q + 1, q + 1), dtype=np.int8)
    conference[1:, 1:] = chi[numbers[:, negative]]
    conference[0, 1:] = conference[1:, 0] = 1
    plus = np.array([[1, 1], [1, -1]], dtype=np.int8)
    zero = np.array([[1, -1], [-1, -1]], dtype=np.int8)
    return np.kron(conference, plus) + np.kron(np.eye(q + 1, dtype=np.int8), zero)


def _field(q: int) -> tuple[npt.NDArray[np.intp], Signs]:
    """Return the table of sums a + b of the field of q elements, and chi of each element."""
    found = _prime_power(q)
    assert found is not None, f"no field of {q} elements"
    p, e = found
    weights = p ** np.arange(e)
    digits = np.arange(q)[:, None] // weights % p
    sums = ((digits[:, None] + digits[None]) % p) @ weights
    return sums, _characters(p, e)


def _characters(p: int, e: int) -> Signs:
    """Return chi of the elements of the field of p^e: 1 for squares, -1 for others, 0 for zero.

    The field is the polynomials in x modulo the first x^e - c(x), c in the order of its numbers, in
    which the powers of x are all of the p^e - 1 units. The even powers are the squares.
    """
    for low in product(range(p), repeat=e):
        chi = np.zeros(p**e, dtype=np.int8)
        power, sign = [1] + [0] * (e - 1), 1
        for _ in range(p**e - 1):
            number = sum(digit * p**place for place, digit in enumerate(power))
            if number == 0 or chi[number]:
                break
            chi[number], sign = sign, -sign
            top = power[-1]
            power = [(a + top * c) % p for a, c in zip([0, *power[:-1]], low[::-1], strict=True)]
        else:
            return chi
    raise AssertionError(f"every field of {p}^{e} elements has a generator")


def _prime_power(q: int) -> tuple[int, int] | None:
    """Return (p, e) of q = p^e, p a prime; None for other numbers."""
    p = next((d for d in range(2, q + 1) if q % d == 0), 0)
    e = 0
    while p and q % p == 0:
        q, e = q // p, e + 1
    return (p, e) if p and q == 1 else None


# ----------------------------------------------------------------------------- Williamson


def _williamson(halves: tuple[str, ...]) -> Signs:
    """Return Williamson's array of four symmetric circulants."""
    a, b, c, d = (_circulant(half) for half in halves)
    return np.block([[a, b, c, d], [-b, a, -d, c], [-c, d, a, -b], [-d, -c, b, a]])


def _circulant(half: str) -> Signs:
    """Return the circulant whose first row is `half` and its mirror image without the first."""
    row = np.array([1 if sign == "+" else -1 for sign in half + half[:0:-1]], dtype=np.int8)
    return np.array([np.roll(row, shift) for shift in range(len(row))])
