"""online_softmax against its steps, block after block, one number at a time."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Minifloat, decode, encode, get_format
from plena_cosim.golden.ops import online_softmax, online_softmax_rows, softmax

from ..compare import assert_codes
from .step_oracle import Steps, lowest, masks, over_formats, rows

BF16, FP32 = get_format("bf16"), get_format("fp32")
Block = tuple[list[int], int, int, int]


def blocks_of(
    step: Steps, x: list[list[int]], mask: list[list[int]], first: list[int]
) -> list[Block]:
    """(p, c, l, m) of every block."""
    results: list[Block] = []
    m, total = lowest(step.fmt), 0
    for lanes, on, restart in zip(x, mask, first, strict=True):
        if restart:
            m, total = lowest(step.fmt), 0
        new = step.max(m, step.row_max(lanes, on, len(lanes)))
        c = step.exp(step.sub(m, new))
        p = [step.exp(step.sub(a, new)) if s else 0 for a, s in zip(lanes, on, strict=True)]
        total = step.add(step.mul(total, c), step.row_sum(p, on, len(lanes)))
        m = new
        results.append((p, c, total, m))
    return results


@pytest.mark.parametrize("lanes", [1, 4, 7])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_blocks(fmt: Minifloat, red: Minifloat, lanes: int) -> None:
    x, mask = rows(fmt, 40, lanes, seed=lanes), masks(40, lanes, seed=lanes)
    first = np.random.default_rng(4).integers(0, 4, 40) == 0
    want = blocks_of(Steps(fmt, red), x.tolist(), mask.tolist(), first.tolist())
    got = online_softmax(x, mask, first, fmt, red)
    for name, codes, index in zip("pclm", got, range(4), strict=True):
        assert_codes(codes, np.array([w[index] for w in want]), lambda i, n=name: f"{n} at {i}")


@pytest.mark.parametrize(("length", "lanes"), [(1, 4), (4, 4), (9, 4), (12, 5)])
@pytest.mark.parametrize(("fmt", "red"), **over_formats)
def test_rows(fmt: Minifloat, red: Minifloat, length: int, lanes: int) -> None:
    x, mask = rows(fmt, 24, length, seed=9), masks(24, length, seed=8)
    step = Steps(fmt, red)
    want = []
    for row, on in zip(x.tolist(), mask.tolist(), strict=True):
        empty = [0] * (-length % lanes)
        blocks = np.array(row + empty).reshape(-1, lanes).tolist()
        parts = np.array(on + empty).reshape(-1, lanes).tolist()
        steps = blocks_of(step, blocks, parts, [1] + [0] * (len(blocks) - 1))
        m, r = steps[-1][3], step.reciprocal(steps[-1][2])
        y = []
        for (p, _, _, then), part in zip(steps, parts, strict=True):
            c = step.exp(step.sub(then, m))
            y += [step.mul(step.mul(a, c), r) if s else 0 for a, s in zip(p, part, strict=True)]
        want.append(y[:length])
    got = online_softmax_rows(x, mask, fmt, red, lanes=lanes)
    assert_codes(got, np.array(want), lambda i: f"row {x[i // length].tolist()} lane {i % length}")


def test_one_block_is_three_passes() -> None:
    """With one block m_b = m, and multiplying by exp(0) = 1 rounds nothing."""
    x = rows(BF16, 40, 8, seed=5)
    np.testing.assert_array_equal(
        online_softmax_rows(x, 1, BF16, FP32, lanes=8), softmax(x, 1, BF16, FP32)
    )


def test_blocks_round_otherwise_than_three_passes() -> None:
    x = rows(BF16, 40, 8, seed=5)
    assert (online_softmax_rows(x, 1, BF16, FP32, lanes=2) != softmax(x, 1, BF16, FP32)).any()


def test_empty_blocks_change_nothing() -> None:
    """Blocks of -Inf, at the start and later, and masked blocks."""
    minus_inf, one = 0xFF80, 0x3F80
    x = [[minus_inf] * 2, [0, one], [minus_inf] * 2, [0x7FC0, 0x7F80]]
    mask = [[1, 1], [1, 1], [1, 1], [0, 0]]
    p, c, total, m = online_softmax(x, mask, [1, 0, 0, 0], BF16, FP32)
    assert m.tolist() == [0xFF7F, one, one, one]
    assert total.tolist() == [0, 0x3FAF, 0x3FAF, 0x3FAF]
    assert c.tolist() == [one, 0, one, one]
    assert p.tolist() == [[0, 0], [0x3EBC, one], [0, 0], [0, 0]]


def test_nan_stays_until_the_next_first() -> None:
    x = [[0x7FC1, 0], [0, 0], [0, 0]]
    p, c, total, m = online_softmax(x, 1, [1, 0, 1], BF16, FP32)
    assert total.tolist() == [0x7FC0, 0x7FC0, 0x4000]
    assert p.tolist() == [[0x7FC0, 0x3F80], [0x3F80] * 2, [0x3F80] * 2]
    assert m.tolist() == [0, 0, 0]
    assert c.tolist() == [0, 0x3F80, 0]


def test_the_unit_starts_without_a_first() -> None:
    x = rows(BF16, 5, 4, seed=6)
    with_flag = online_softmax(x, 1, [1, 0, 0, 0, 0], BF16, FP32)
    without = online_softmax(x, 1, [0] * 5, BF16, FP32)
    for one, other in zip(with_flag, without, strict=True):
        np.testing.assert_array_equal(one, other)


def test_close_to_the_real_softmax() -> None:
    """As softmax, with one more product and exponential a block: 8 blocks."""
    x = encode(np.random.default_rng(2).normal(size=(50, 32)) * 2, BF16)
    values = decode(x, BF16)
    real = np.exp(values - values.max(axis=-1, keepdims=True))
    real /= real.sum(axis=-1, keepdims=True)
    error = np.abs(decode(online_softmax_rows(x, 1, BF16, FP32, lanes=4), BF16) / real - 1)
    assert error.max() < 24 * 2.0**-9 + 32 * 2.0**-8


def test_bad_arguments_are_named() -> None:
    with pytest.raises(FormatError, match=r"online_softmax: need x of shape \(n, lanes\) and"):
        online_softmax([[0, 0]], 1, [1, 0], BF16, FP32)
    with pytest.raises(FormatError, match=r"lanes >= 1, got shape \(2,\) and lanes 0"):
        online_softmax_rows([0, 0], 1, BF16, FP32, lanes=0)
