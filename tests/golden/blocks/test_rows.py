"""Arrays cut into blocks and put together again."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.blocks.rows import Rows, along


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_together_undoes_blocks(axis: int) -> None:
    x = np.arange(3 * 7 * 5).reshape(3, 7, 5)
    rows = Rows.of(x, axis, 4)
    np.testing.assert_array_equal(rows.together(rows.blocks), x)
    length = x.shape[axis]
    pairs = rows.together(rows.blocks[:, ::2], 2)
    np.testing.assert_array_equal(pairs, np.take(x, range(0, length, 2), axis))
    firsts = rows.together(rows.blocks[:, 0], 4)
    np.testing.assert_array_equal(firsts, np.take(x, range(0, length, 4), axis))


def test_a_short_block_is_padded_with_zeros() -> None:
    rows = Rows.of([[1, 2, 3], [4, 5, 6]], 1, 2)
    assert rows.blocks.tolist() == [[1, 2], [3, 0], [4, 5], [6, 0]]


@pytest.mark.parametrize("axis", [0, 1])
def test_along_repeats_and_cuts(axis: int) -> None:
    x = np.arange(6).reshape(2, 3)
    want = np.take(x, [0, 0, 1] if axis == 0 else [0, 0, 1, 1, 2], axis)
    np.testing.assert_array_equal(along(axis, x, 2, want.shape[axis]), want)


@pytest.mark.parametrize(
    ("x", "axis", "message"),
    [
        (1.0, -1, r"need at least one value along an axis, got shape \(\)"),
        (np.zeros((2, 0)), 1, r"got shape \(2, 0\)"),
        ([1.0], 1, r"axis 1 does not exist in shape \(1,\); allowed: -1\.\.0"),
        ([1j], 0, r"need real numbers of at most 64 bits, got dtype complex128"),
    ],
)
def test_what_has_no_blocks_is_an_error(x: object, axis: int, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Rows.of(x, axis, 4)  # type: ignore[arg-type]
