"""rope_tables against mpmath: every entry is the true cosine or sine, rounded once."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from math import cos, sin

import mpmath
import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, get_format
from plena_cosim.golden.ops import rope_tables

from ..compare import assert_codes
from ..oracle import scalar
from .step_oracle import fraction_of

POSITIONS = [0, 1, 2, 3, 17, 355, 710, 4095, 131071, 2**32 - 1]
FORMATS = [get_format(name) for name in ("bf16", "fp16", "fp32", "e4m3", "e6m5", "e2m1")]


def tables_of(
    positions: list[int], dim: int, fmt: Minifloat, base: float
) -> tuple[list[list[int]], list[list[int]]]:
    """Codes of (cos, sin) with one column a pair."""
    tables: tuple[list[list[int]], list[list[int]]] = ([], [])
    with mpmath.workprec(400):
        for position in positions:
            angles = [
                position * mpmath.mpf(base) ** (mpmath.mpf(-2 * i) / dim) for i in range(dim // 2)
            ]
            for table, function in zip(tables, (mpmath.cos, mpmath.sin), strict=True):
                reals = [fraction_of(function(angle)) for angle in angles]
                table.append([scalar(fmt).encode(x) for x in reals])
    return tables


@pytest.mark.parametrize("base", [10000.0, 500000.0, 1e6, 1.5])
@pytest.mark.parametrize("dim", [2, 6, 64])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_every_entry_is_correctly_rounded(fmt: Minifloat, dim: int, base: float) -> None:
    want = tables_of(POSITIONS, dim, fmt, base)
    half = rope_tables(POSITIONS, dim, fmt, base=base)
    pairs = rope_tables(POSITIONS, dim, fmt, base=base, stride=1)
    for k in range(2):
        for columns in (
            half[k][:, : dim // 2], half[k][:, dim // 2 :], pairs[k][:, ::2], pairs[k][:, 1::2],
        ):  # fmt: skip
            assert_codes(columns, np.array(want[k]), lambda i: f"entry {i}")


def test_the_integer_path_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every entry in doubt, nothing comes from float64."""
    module = import_module(rope_tables.__module__)  # the package has the function by that name
    monkeypatch.setattr(module, "_FLOAT_ERROR", 8.0)
    for fmt in (get_format("fp32"), get_format("bf16")):
        want = tables_of(POSITIONS, 16, fmt, 500000.0)
        got = rope_tables(POSITIONS, 16, fmt, base=500000.0)
        for k in range(2):
            assert_codes(got[k][:, :8], np.array(want[k]), lambda i: f"entry {i}")


def test_near_multiples_of_pi_the_small_sine_is_exact() -> None:
    """355 is 3.0e-5 from 113 pi: cancellation would show at once."""
    fp32 = get_format("fp32")
    _, sines = rope_tables([355, 710], 2, fp32)
    want = np.array([sin(355), sin(710)], dtype=np.float32).view(np.uint32)
    assert sines[:, 0].tolist() == want.tolist()


def test_the_first_pair_turns_by_the_position() -> None:
    bf16 = get_format("bf16")
    cosines, _ = rope_tables(range(100), 4, bf16)
    want = [scalar(bf16).encode(Fraction(cos(p))) for p in range(100)]
    assert cosines[:, 0].tolist() == want


def test_bad_arguments_are_named() -> None:
    bf16 = get_format("bf16")
    with pytest.raises(FormatError, match=r"3 elements are no groups of 2 . stride"):
        rope_tables([0], 3, bf16)
    with pytest.raises(FormatError, match=r"need positions in 0..2\^32-1, got -1"):
        rope_tables([0, -1], 2, bf16)
    with pytest.raises(FormatError, match=r"need positions in 0..2\^32-1, got 0.5"):
        rope_tables([0.5], 2, bf16)  # type: ignore[list-item]
    with pytest.raises(FormatError, match="base must be above 1, got 1"):
        rope_tables([0], 2, bf16, base=1)
    with pytest.raises(FormatError, match=r"6 elements are no groups of 2 . stride, stride 2"):
        rope_tables([0], 6, bf16, stride=2)
