"""Orthonormal Hadamard matrices of the orders that Sylvester, Paley and Williamson reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import hadamard_order, nearest_hadamard_sizes

_Signs = npt.NDArray[np.int8]


def rotation_matrix(
    n: int, *, size: int | None = None, random: bool = False, seed: int = 0
) -> Tensor:
    """Return an orthonormal matrix whose entries are, block by block, all of one magnitude.

    Args:
        n: rows and columns.
        size: order of the Hadamard blocks on the diagonal; it divides n. Without it one block of
            order n where one can be built, else blocks of the largest power of two that divides n
            (an odd n gives the identity).
        random: the columns get random signs, H diag(±1): a randomised Hadamard matrix (QuIP#,
            Tseng et al. 2024, section 3).
        seed: of these signs.

    Returns:
        float64, (n, n). A power of two is Sylvester's matrix, symmetric and its own inverse.

    Raises:
        FormatError: `size` does not divide n, or no matrix of that order can be built.

    >>> (rotation_matrix(4) * 2).int().tolist()
    [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    >>> round(float(rotation_matrix(12)[0, 0] ** 2 * 12), 12)
    1.0
    """
    if n < 1:
        raise FormatError(f"a rotation needs at least one row, got {n}")
    block = size
    if block is None:
        block = n if base_orders(n) is not None else n & -n
    if block < 1 or n % block:
        raise FormatError(f"rotation size {block} does not divide the axis of {n} elements")
    orders = base_orders(block)
    if orders is None:
        raise FormatError(
            f"no Hadamard matrix of order {block} is built here; for {n} elements leave size out, "
            f"or use a power of two or K * 2^r ({nearest_hadamard_sizes(block, n)})"
        )
    matrix = torch.from_numpy(_hadamard(orders)).double() / block**0.5
    whole: Tensor = torch.kron(torch.eye(n // block, dtype=torch.float64), matrix)
    if random:
        signs = np.random.default_rng(seed).integers(0, 2, n) * 2.0 - 1.0
        whole = whole * torch.from_numpy(signs)
    return whole


def base_orders(order: int) -> tuple[int, ...] | None:
    """Return orders whose Kronecker product has this order.

    Powers of two and orders that Paley makes of primes; where these do not reach it, golden's K and
    a power of two. None where that does not either: orders above 2 that 4 does not divide, for
    which there is no Hadamard matrix at all, and some others (188, 236 …).
    """
    found = _orders_of_primes(order)
    if found is not None:
        return found
    k = hadamard_order(order)
    return None if k is None else (k, order // k)


def _orders_of_primes(order: int) -> tuple[int, ...] | None:
    if order > 0 and order & (order - 1) == 0:
        return (order,)
    for base in range(12, order + 1, 4):
        if order % base == 0 and base & (base - 1) and _is_paley(base):
            rest = _orders_of_primes(order // base)
            if rest is not None:
                return (base, *rest)
    return None


def _hadamard(orders: tuple[int, ...]) -> _Signs:
    matrix = np.ones((1, 1), dtype=np.int8)
    for order in orders:
        matrix = np.kron(matrix, _factor(order))
    return matrix


def _factor(order: int) -> _Signs:
    if order & (order - 1) == 0:
        return _sylvester(order)
    return _paley(order) if _is_paley(order) else hadamard_matrix(order)


def _sylvester(order: int) -> _Signs:
    matrix = np.ones((1, 1), dtype=np.int8)
    pair = np.array([[1, 1], [1, -1]], dtype=np.int8)
    while len(matrix) < order:
        matrix = np.kron(pair, matrix)
    return matrix


def _is_paley(order: int) -> bool:
    """Return whether order - 1 is a prime of 4k + 3, or order / 2 - 1 one of 4k + 1."""
    half = order // 2 - 1
    return order % 4 == 0 and (_is_prime(order - 1) or (half % 4 == 1 and _is_prime(half)))


def _paley(order: int) -> _Signs:
    """Return Paley's matrix, I from the prime order - 1, else II from order / 2 - 1.

    R. E. A. C. Paley, On orthogonal matrices, J. Math. Phys. 12 (1933). Both border the matrix of
    quadratic characters χ(i - j); of I it is skew, so I + S is Hadamard, of II it is symmetric.
    """
    first = _is_prime(order - 1)
    prime = order - 1 if first else order // 2 - 1
    bordered = np.zeros((prime + 1, prime + 1), dtype=np.int8)
    bordered[1:, 1:] = _characters(prime)
    bordered[0, 1:] = 1
    bordered[1:, 0] = -1 if first else 1
    identity = np.eye(prime + 1, dtype=np.int8)
    if first:
        return identity + bordered
    plus = np.array([[1, 1], [1, -1]], dtype=np.int8)
    minus = np.array([[1, -1], [-1, -1]], dtype=np.int8)
    return np.kron(bordered, plus) + np.kron(identity, minus)


def _characters(prime: int) -> _Signs:
    """Return χ(i - j): 1 for squares modulo the prime, -1 for others, 0 on the diagonal."""
    numbers = np.arange(prime)
    character = np.full(prime, -1, dtype=np.int8)
    character[numbers * numbers % prime] = 1
    character[0] = 0
    characters: _Signs = character[(numbers[:, None] - numbers[None, :]) % prime]
    return characters


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
