"""nvfp4_dot against Fraction: exact partials, rounded once, summed in order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, Scalar, blocks, decode, encode, get_format
from plena_cosim.golden.ops import nvfp4_dot

from ..compare import assert_codes
from ..oracle import Real, add, exact, is_special, scalar

ACCUMULATORS = ("fp32", "bf16", "fp16", "e6m5", "q16.16", "e5m2fnuz")


def partial(a: list[Real], b: list[Real], scales: list[Real]) -> Real:
    if any(map(is_special, [*a, *b, *scales])):
        return math.nan
    dot = sum(exact(x) * exact(y) for x, y in zip(a, b, strict=True))
    return dot * exact(scales[0]) * exact(scales[1])


def sums(
    arrays: list[list[list[int]]],
    first: list[int],
    element: Minifloat,
    scale: Minifloat,
    acc: Scalar,
) -> list[int]:
    """The definition of docs/numerics.md."""
    elem, group, total = scalar(element), scalar(scale), scalar(acc)
    found, code = [], 0
    for a, sa, b, sb, restart in zip(*arrays, first, strict=True):
        sides = [[elem.value(c) for c in side] for side in (a, b)]
        exact_partial = partial(*sides, [group.value(sa[0]), group.value(sb[0])])
        rounded = total.value(total.encode(exact_partial))
        before = total.value(0 if restart else code)
        code = total.encode(add(before, rounded))
        found.append(code)
    return found


@pytest.mark.parametrize("acc", ACCUMULATORS)
@pytest.mark.parametrize(
    ("element", "scale"), [("e2m1", "e4m3"), ("e3m2", "e5m2"), ("e4m3", "e4m3")]
)
def test_against_fractions(element: str, scale: str, acc: str) -> None:
    elem, group, rng = get_format(element), get_format(scale), np.random.default_rng(1)
    count, lanes = 200, 3 if element == "e3m2" else 16
    codes = rng.integers(0, 1 << elem.width_bits, (2, count, lanes))
    codes[:, rng.random(count) < 0.1] = 0
    scales = rng.integers(0, 1 << group.width_bits, (2, count))
    again = np.flatnonzero(rng.random(count) < 0.2)[1:]  # some cancel
    codes[:, again], scales[:, again] = codes[:, again - 1], scales[:, again - 1]
    codes[0, again] ^= elem.sign_mask
    first = (rng.random(count) < 0.2).astype(int)
    found = nvfp4_dot(codes[0], scales[0], codes[1], scales[1], first, elem, group, get_format(acc))
    wanted = sums(
        [
            codes[0].tolist(),
            scales[0][:, None].tolist(),
            codes[1].tolist(),
            scales[1][:, None].tolist(),
        ],
        first.tolist(),
        elem,
        group,
        get_format(acc),
    )
    assert_codes(found, wanted, lambda i: f"{codes[:, i].tolist()} {scales[:, i].tolist()} [{i}]")


def test_every_pair_of_elements_and_every_scale() -> None:
    pairs = np.arange(256)
    found = nvfp4_dot(
        (pairs >> 4)[:, None], np.full(256, 0x38), (pairs & 15)[:, None], pairs, np.ones(256, int)
    )
    elem, group = scalar(get_format("e2m1")), scalar(get_format("e4m3"))
    for pair, code in zip(pairs.tolist(), found.tolist(), strict=True):
        value = partial(
            [elem.value(pair >> 4)], [elem.value(pair & 15)], [exact(1), group.value(pair)]
        )
        assert code == scalar(get_format("fp32")).encode(value)


def test_is_the_dot_of_blocks_up_to_both_t() -> None:
    """In fp32 with few blocks nothing is rounded: sums / t_a / t_b are those of the values."""
    rng = np.random.default_rng(4)
    a, b = (rng.standard_normal((1, 64)).astype(np.float32) for _ in range(2))
    sides = [blocks.quantize(x, "nvfp4") for x in (a, b)]
    ports = [part for q in sides for part in (q.codes.reshape(-1, 16), q.scales.ravel())]
    found = nvfp4_dot(*ports, [1, 0, 0, 0])[-1]
    group = [decode(q.scales, "e4m3").repeat(16, axis=1) * decode(q.codes, "e2m1") for q in sides]
    exact_sum = float((group[0] * group[1]).sum())
    assert found == encode(exact_sum, "fp32")


def test_zero_is_positive_and_nan_is_kept() -> None:
    minus = nvfp4_dot([[0, 8]], [0xB8], [[1, 1]], [0x38], [1])
    assert minus.tolist() == [0]
    nan = nvfp4_dot([[1], [1]], [0x7F, 0x38], [[1], [1]], [0x38, 0x38], [1, 0])
    assert nan.tolist() == [0x7FC00000] * 2
    assert nvfp4_dot([[1]], [0x7F], [[1]], [0x38], [1], acc="e6m5").tolist() == [0x7FF]


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        (
            [(2, 4), (2,), (2, 3), (2,), (2,)],
            r"need two \(n, lanes\) arrays, got \(2, 4\) and \(2, 3\)",
        ),
        ([(2, 0), (2,), (2, 0), (2,), (2,)], r"need two \(n, lanes\) arrays, got \(2, 0\) and"),
        ([(4,), (1,), (4,), (1,), (1,)], r"need two \(n, lanes\) arrays, got \(4,\) and"),
        (
            [(2, 4), (1,), (2, 4), (2,), (2,)],
            r"need one scale a block, \(2,\), got \(1,\) and \(2,\)",
        ),
        ([(2, 4), (2,), (2, 4), (2,), (3,)], r"need first of shape \(2,\), got \(3,\)"),
    ],
)
def test_errors(shapes: list[tuple[int, ...]], says: str) -> None:
    with pytest.raises(FormatError, match=f"^nvfp4_dot: {says}"):
        nvfp4_dot(*(np.zeros(shape, int) for shape in shapes))
