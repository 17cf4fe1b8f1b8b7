"""rope against its steps, one number at a time."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, encode, get_format
from plena_cosim.golden.ops import rope, rope_tables

from ..compare import assert_codes
from .step_oracle import Steps, over_formats, rows

BF16 = get_format("bf16")


def rotated(step: Steps, x: list[int], stride: int) -> list[int]:
    if len(x) > 2 * stride:
        return rotated(step, x[: 2 * stride], stride) + rotated(step, x[2 * stride :], stride)
    return [step.neg(a) for a in x[stride:]] + x[:stride]


@pytest.mark.parametrize(
    ("length", "stride"), [(2, 1), (6, None), (6, 1), (16, None), (16, 1), (16, 4)]
)
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_rope(fmt: Minifloat, red: Minifloat, length: int, stride: int | None) -> None:
    x, cos, sin = (rows(fmt, 20, length, seed=s) for s in (1, 2, 3))
    step = Steps(fmt)
    want = []
    for row, c, s in zip(x.tolist(), cos.tolist(), sin.tolist(), strict=True):
        turned = rotated(step, row, stride or length // 2)
        parts = zip(row, c, turned, s, strict=True)
        want.append([step.add(step.mul(a, u), step.mul(b, v)) for a, u, b, v in parts])
    got = rope(x, cos, sin, fmt, stride=stride)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} at {i % length}")


@pytest.mark.parametrize("stride", [None, 1])
def test_position_zero_changes_nothing(stride: int | None) -> None:
    x = encode(np.random.default_rng(1).normal(size=(3, 8)), BF16)
    cos, sin = rope_tables([0], 8, BF16, stride=stride)
    np.testing.assert_array_equal(rope(x, cos, sin, BF16, stride=stride), x)


def test_the_input_stays_as_it_was() -> None:
    x = rows(BF16, 2, 4, seed=5).astype(np.uint16)
    before = x.copy()
    rope(x, x, x, BF16)
    rope(x, x, x, BF16, stride=1)
    np.testing.assert_array_equal(x, before)


def test_tables_broadcast_over_heads() -> None:
    x = rows(BF16, 6, 4, seed=6).reshape(2, 3, 4)
    cos, sin = rope_tables([0, 1, 2], 4, BF16)
    whole = rope(x, cos, sin, BF16)
    for head in range(2):
        np.testing.assert_array_equal(whole[head], rope(x[head], cos, sin, BF16))


@pytest.mark.parametrize(("length", "stride"), [(3, None), (0, None), (4, 0), (6, 2), (4, 4)])
def test_bad_strides_are_named(length: int, stride: int | None) -> None:
    message = rf"^rope: {length} elements are no groups of 2 . stride, stride {stride or 'n / 2'}$"
    with pytest.raises(FormatError, match=message):
        rope(np.zeros((2, length), dtype=int), 0, 0, BF16, stride=stride)
