"""Every matrix is orthonormal, and where a Hadamard matrix is claimed all entries have one size."""

from __future__ import annotations

import pytest
import torch

from plena_cosim.golden import FormatError
from plena_cosim.passes.fold.hadamard_matrix import base_orders, rotation_matrix
from plena_cosim.passes.modules.hadamard import rotate

MISSING = {188, 236, 244}
"""Orders up to 256 that need other constructions: four times 47, 59 and 61."""


def require_orthonormal(matrix: torch.Tensor) -> None:
    assert matrix.dtype == torch.float64
    identity = torch.eye(len(matrix), dtype=torch.float64)
    assert float((matrix @ matrix.T - identity).abs().max()) < 1e-12


@pytest.mark.parametrize("n", range(1, 257))
def test_every_size_is_orthonormal(n: int) -> None:
    matrix = rotation_matrix(n)
    require_orthonormal(matrix)
    hadamard = n in (1, 2) or (n % 4 == 0 and n not in MISSING)
    assert (base_orders(n) is not None) is hadamard
    block = n if hadamard else n & -n
    magnitudes = {round(float(x) * block**0.5, 12) for x in matrix.abs().unique()}
    assert magnitudes == ({1.0} if hadamard else {0.0, 1.0})


@pytest.mark.parametrize("n", [576, 896, 1152, 1536])
def test_sizes_of_models_are_one_block(n: int) -> None:
    matrix = rotation_matrix(n)
    require_orthonormal(matrix)
    torch.testing.assert_close(matrix.abs(), torch.full_like(matrix, n**-0.5))


@pytest.mark.parametrize("n", [2048, 2560, 3072, 3584, 5120, 6144, 7168, 8960, 11008, 14336, 18944])
def test_larger_sizes_of_models_are_reached(n: int) -> None:
    orders = base_orders(n)
    assert orders is not None
    assert torch.tensor(orders).prod() == n


@pytest.mark.parametrize("size", [2, 8, 64])
def test_a_power_of_two_is_the_online_rotation(size: int) -> None:
    x = torch.randn(5, size, dtype=torch.float64)
    torch.testing.assert_close(x @ rotation_matrix(size), rotate(x, size))
    y = torch.randn(5, 3 * size, dtype=torch.float64)
    torch.testing.assert_close(y @ rotation_matrix(3 * size, size=size), rotate(y, size))


def test_paley_one_borders_the_squares_of_eleven() -> None:
    squares = {1, 3, 4, 5, 9}
    found = (rotation_matrix(12) * 12**0.5).round().int()
    for i in range(11):
        for j in range(11):
            expected = 1 if i == j or (i - j) % 11 in squares else -1
            assert found[i + 1, j + 1] == expected


def test_random_signs_are_of_columns_and_seeded() -> None:
    plain = rotation_matrix(48)
    first = rotation_matrix(48, random=True, seed=1)
    require_orthonormal(first)
    signs = first / plain
    assert bool((signs.abs() - 1).abs().max() < 1e-12)
    assert bool((signs == signs[0]).all())
    assert set(signs[0].sign().tolist()) == {-1.0, 1.0}
    assert torch.equal(first, rotation_matrix(48, random=True, seed=1))
    assert not torch.equal(first, rotation_matrix(48, random=True, seed=2))


@pytest.mark.parametrize(
    ("n", "size", "message"),
    [
        (48, 32, r"^rotation size 32 does not divide the axis of 48 elements$"),
        (48, 0, "rotation size 0 does not divide"),
        (
            376,
            188,
            r"^no Hadamard matrix of order 188 is built here; for 376 elements leave size out, or "
            r"use a power of two or K \* 2\^r \(nearest: 8\)$",
        ),
        (0, None, "needs at least one row, got 0"),
    ],
)
def test_sizes_that_do_not_fit(n: int, size: int | None, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        rotation_matrix(n, size=size)
