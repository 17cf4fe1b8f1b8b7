"""Sizes K * 2^r: which there are, and what is said of others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.hadamard_sizes import (
    hadamard_order,
    nearest_hadamard_sizes,
    require_hadamard_size,
)


@pytest.mark.parametrize(
    ("size", "axis", "nearest"),
    [
        (6, 48, "nearest: 4, 8"),
        (50, 48, "nearest: 48"),
        (32, 48, "nearest: 24, 48"),
        (3, 21, "none fits"),
        (4, 0, "none fits"),
    ],
)
def test_sizes_that_do_not_fit(size: int, axis: int, nearest: str) -> None:
    with pytest.raises(
        FormatError,
        match=r"^block must be a power of two or K \* 2\^r \(K = 12, 20, 28 … 172\) that divides "
        rf"the axis of {axis} elements, got {size}; {nearest}$",
    ):
        require_hadamard_size(size, axis, "block")


def test_sizes_that_fit() -> None:
    assert [require_hadamard_size(n, 576, "x") for n in (1, 64, 12, 192, 576)] == [1, 1, 12, 12, 36]
    assert nearest_hadamard_sizes(6) == "nearest: 4, 8"
    assert nearest_hadamard_sizes(-3) == "nearest: 2"


def test_every_size_is_made_of_one_order() -> None:
    orders = (1, *range(12, 173, 8))
    made = {k << r: k for k in orders for r in range(13) if k << r < 4096}
    assert {n: hadamard_order(n) for n in range(1, 4096) if hadamard_order(n)} == made


def test_recipes_read_sizes_without_numpy() -> None:
    program = "import sys, plena_cosim.golden.hadamard_sizes; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
