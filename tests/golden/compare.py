"""Equality of codes with a message that names the first difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def assert_codes(
    got: npt.ArrayLike, want: npt.ArrayLike | Sequence[int], describe: Callable[[int], str]
) -> None:
    """Fail unless all codes agree; `describe(i)` says what went in at flat index i."""
    got_codes = np.asarray(got).astype(np.int64).ravel()
    want_codes = np.asarray(want).astype(np.int64).ravel()
    assert got_codes.shape == want_codes.shape
    wrong = np.flatnonzero(got_codes != want_codes)
    assert wrong.size == 0, (
        f"{wrong.size} of {got_codes.size} differ; first: {describe(int(wrong[0]))} -> "
        f"golden {int(got_codes[wrong[0]]):#x}, oracle {int(want_codes[wrong[0]]):#x}"
    )


def assert_arrays(got: Any, want: Any, what: str) -> None:
    """Fail unless two MxArrays have the same codes and scales."""
    assert_codes(got.scales, want.scales, lambda i: f"{what}: scale of block {i}")
    assert_codes(got.codes, want.codes, lambda i: f"{what}: element {i}")
