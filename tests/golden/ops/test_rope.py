"""rope against its steps, one number at a time."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, encode, get_format
from plena_cosim.golden.ops import rope, rope_tables

from ..compare import assert_codes
from .step_oracle import Steps, over_formats, rows

BF16 = get_format("bf16")


def rotated(step: Steps, x: list[int], style: str) -> list[int]:
    half = len(x) // 2
    if style == "half":
        return [step.neg(a) for a in x[half:]] + x[:half]
    return [a for i in range(half) for a in (step.neg(x[2 * i + 1]), x[2 * i])]


@pytest.mark.parametrize("style", ["half", "interleaved"])
@pytest.mark.parametrize("length", [2, 6, 16])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_rope(fmt: Minifloat, red: Minifloat, length: int, style: str) -> None:
    x, cos, sin = (rows(fmt, 20, length, seed=s) for s in (1, 2, 3))
    step = Steps(fmt)
    want = []
    for row, c, s in zip(x.tolist(), cos.tolist(), sin.tolist(), strict=True):
        turned = rotated(step, row, style)
        parts = zip(row, c, turned, s, strict=True)
        want.append([step.add(step.mul(a, u), step.mul(b, v)) for a, u, b, v in parts])
    got = rope(x, cos, sin, fmt, style=style)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} at {i % length}")


@pytest.mark.parametrize("style", ["half", "interleaved"])
def test_position_zero_changes_nothing(style: str) -> None:
    x = encode(np.random.default_rng(1).normal(size=(3, 8)), BF16)
    cos, sin = rope_tables([0], 8, BF16, style=style)
    np.testing.assert_array_equal(rope(x, cos, sin, BF16, style=style), x)


def test_the_input_stays_as_it_was() -> None:
    x = rows(BF16, 2, 4, seed=5).astype(np.uint16)
    before = x.copy()
    rope(x, x, x, BF16)
    rope(x, x, x, BF16, style="interleaved")
    np.testing.assert_array_equal(x, before)


def test_tables_broadcast_over_heads() -> None:
    x = rows(BF16, 6, 4, seed=6).reshape(2, 3, 4)
    cos, sin = rope_tables([0, 1, 2], 4, BF16)
    whole = rope(x, cos, sin, BF16)
    for head in range(2):
        np.testing.assert_array_equal(whole[head], rope(x[head], cos, sin, BF16))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(FormatError, match=r"^rope: need an even number of elements, got .*\(3,\)$"):
        rope([0, 0, 0], 0, 0, BF16)
    with pytest.raises(FormatError, match=r"^unknown rope style 'halves'; known: half, "):
        rope([0, 0], 0, 0, BF16, style="halves")
