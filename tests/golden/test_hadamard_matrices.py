"""Every matrix is a Hadamard matrix in its normal form, and the squares are those of the field."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import (
    hadamard_order,
    hadamard_orders,
)

ORDERS = hadamard_orders()
WILLIAMSON = {92, 116, 156, 172}
PALEY_FIRST = {12: 11, 20: 19, 44: 43, 60: 59, 68: 67, 84: 83, 108: 107, 132: 131, 140: 139}
PALEY_FIRST |= {164: 163}
PALEY_SECOND = {36: 17, 76: 37, 124: 61, 148: 73}
PRIME_POWERS = {28: (3, [2, 1, 0]), 52: (5, [3, 1]), 100: (7, [4, 1])}
"""K: (p, coefficients of x^e from the constant one)."""


def test_orders_are_one_and_all_four_times_odd_numbers_to_172() -> None:
    assert hadamard_orders() == (1, *range(12, 173, 8))
    named = WILLIAMSON | set(PALEY_FIRST) | set(PALEY_SECOND) | set(PRIME_POWERS)
    assert named == set(ORDERS[1:])


@pytest.mark.parametrize("k", ORDERS)
def test_rows_are_orthogonal_and_the_first_ones_are_ones(k: int) -> None:
    matrix = hadamard_matrix(k)
    wide = matrix.astype(np.int64)
    assert matrix.shape == (k, k)
    assert set(np.unique(matrix).tolist()) <= {-1, 1}
    np.testing.assert_array_equal(wide @ wide.T, k * np.eye(k, dtype=np.int64))
    assert wide[0].tolist() == wide[:, 0].tolist() == [1] * k
    assert np.array_equal(matrix, matrix.T) is (k not in WILLIAMSON)
    assert hadamard_matrix(k) is matrix
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = -1


def euler(a: int, q: int) -> int:
    """Whether a is a square modulo a prime, by Euler's criterion."""
    return {0: 0, 1: 1, q - 1: -1}[pow(a, (q - 1) // 2, q)]


@pytest.mark.parametrize(("k", "q"), PALEY_FIRST.items())
def test_paleys_first_of_a_prime(k: int, q: int) -> None:
    found = hadamard_matrix(k)[1:, 1:].tolist()
    assert found == [[euler(a + b, q) or -1 for b in range(q)] for a in range(q)]


@pytest.mark.parametrize(("k", "q"), PALEY_SECOND.items())
def test_paleys_second_of_a_prime(k: int, q: int) -> None:
    """Of each 2 x 2 matrix, the upper left and the lower right element."""
    found = hadamard_matrix(k)
    assert found[2::2, 2::2].tolist() == [
        [euler(a - b, q) if a != b else 1 for b in range(q)] for a in range(q)
    ]
    assert found[3::2, 3::2].tolist() == [
        [-euler(a - b, q) if a != b else -1 for b in range(q)] for a in range(q)
    ]


@pytest.mark.parametrize(("k", "field"), PRIME_POWERS.items())
def test_paleys_matrices_of_a_prime_power(k: int, field: tuple[int, list[int]]) -> None:
    p, top = field
    e, q = len(top), p ** len(top)

    def digits(a: int) -> list[int]:
        return [a // p**place % p for place in range(e)]

    def number(a: list[int]) -> int:
        return sum(digit % p * p**place for place, digit in enumerate(a))

    def square(a: int) -> int:
        """Schoolbook product of polynomials, then x^e by `top` from the highest power down."""
        x = digits(a)
        long = [0] * (2 * e - 1)
        for i in range(e):
            for j in range(e):
                long[i + j] += x[i] * x[j]
        for place in range(2 * e - 2, e - 1, -1):
            for i in range(e):
                long[place - e + i] += long[place] * top[i]
            long[place] = 0
        return number(long[:e])

    squares = {square(a) for a in range(1, q)}
    assert len(squares) == (q - 1) // 2
    found = hadamard_matrix(k)
    for a in range(q):
        for b in range(q):
            x, y = digits(a), digits(b)
            if k == q + 1:
                both = number([i + j for i, j in zip(x, y, strict=True)])
                assert found[a + 1, b + 1] == (1 if both in squares else -1)
            elif a != b:
                apart = number([i - j for i, j in zip(x, y, strict=True)])
                assert found[2 * a + 2, 2 * b + 2] == (1 if apart in squares else -1)


def test_sizes_are_split_in_one_way() -> None:
    for n in range(-2, 2000):
        ways = [k for k in ORDERS for r in range(12) if k << r == n]
        assert len(ways) <= 1
        assert hadamard_order(n) == (ways[0] if ways else None)


@pytest.mark.parametrize(("k", "nearest"), [(16, "12, 20"), (0, "1"), (-4, "1"), (188, "172")])
def test_other_orders_are_refused(k: int, nearest: str) -> None:
    with pytest.raises(
        FormatError,
        match=rf"^no Hadamard matrix of order {k} here: K is 1 or one of 12, 20, 28 … 172, "
        rf"nearest: {nearest}; a size is K \* 2\^r$",
    ):
        hadamard_matrix(k)
