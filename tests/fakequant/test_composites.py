"""Softmax, norms, RoPE, Hadamard and SwiGLU equal golden's, for any format, shape and mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import fakequant, golden
from plena_cosim.golden.hadamard_sizes import hadamard_orders

from .samples import random_codes, usual_codes, values

pytestmark = pytest.mark.filterwarnings("ignore::plena_cosim.golden.NanReplacedWarning")

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")
VECTOR = [golden.get_format(name) for name in ("bf16", "fp16", "e6m5", "e5m6", "e4m3", "e5m2")]
VECTOR += [golden.get_format(name) for name in ("e4m3fnuz", "e5m2fnuz")]
REDUCTION = [FP32, *VECTOR, golden.get_format("e8m15")]

quick = settings(max_examples=80, deadline=None)
fmts, reds = st.sampled_from(VECTOR), st.sampled_from(REDUCTION)
shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 40))
lane_counts = st.one_of(st.none(), st.integers(1, 48))
seeds = st.integers(0, 1 << 30)
codes = st.sampled_from([usual_codes, random_codes])


@quick
@given(fmt=fmts, red=reds, shape=shapes, lanes=lane_counts, seed=seeds, make=codes)
def test_softmax(fmt, red, shape, lanes, seed, make, assert_same) -> None:
    x = make(fmt, shape, seed)
    kept = np.random.default_rng(seed).integers(0, 4, shape[seed % 3 :])
    for mask in (1, kept):
        ours = fakequant.softmax(
            values(x, fmt),
            mask if isinstance(mask, int) else torch.from_numpy(kept),
            fmt,
            red,
            lanes=lanes,
        )
        expected = golden.ops.softmax(x, mask, fmt, red, lanes=lanes)
        assert_same(ours, golden.decode(expected, fmt))


@quick
@given(fmt=fmts, red=reds, shape=shapes, lanes=lane_counts, seed=seeds, make=codes)
def test_norms(fmt, red, shape, lanes, seed, make, assert_same) -> None:
    x, eps = make(fmt, shape, seed), usual_codes(fmt, shape[:-1], seed + 2)
    gamma, beta = (usual_codes(fmt, shape[-1:], seed + i) for i in (3, 4))
    given_values = [values(c, fmt) for c in (x, gamma, beta, eps)]
    ours = fakequant.layer_norm(*given_values, fmt, red, lanes=lanes)
    expected = golden.ops.layer_norm(x, gamma, beta, eps, fmt, red, lanes=lanes)
    assert_same(ours, golden.decode(expected, fmt))
    del given_values[2]
    ours = fakequant.rms_norm(*given_values, fmt, red, lanes=lanes)
    expected = golden.ops.rms_norm(x, gamma, eps, fmt, red, lanes=lanes)
    assert_same(ours, golden.decode(expected, fmt))


@quick
@given(
    fmt=st.sampled_from([*VECTOR, FP32]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5)),
    pairs=st.integers(1, 12),
    groups=st.integers(1, 3),
    seed=seeds,
    make=codes,
)
def test_rope(fmt, shape, pairs, groups, seed, make, assert_same) -> None:
    x = make(fmt, (*shape, 2 * pairs * groups), seed)
    cos, sin = (usual_codes(fmt, x.shape[1:], seed + i, specials=0) for i in (1, 2))
    stride = None if groups == 1 and seed % 2 else pairs
    ours = fakequant.rope(values(x, fmt), values(cos, fmt), values(sin, fmt), fmt, stride=stride)
    assert_same(ours, golden.decode(golden.ops.rope(x, cos, sin, fmt, stride=stride), fmt))


@quick
@given(
    fmt=st.sampled_from([*VECTOR, FP32]),
    rows=st.integers(1, 4),
    stages=st.integers(0, 5),
    count=st.integers(1, 3),
    seed=seeds,
    make=codes,
)
def test_hadamard(fmt, rows, stages, count, seed, make, assert_same) -> None:
    x = make(fmt, (rows, count << stages), seed)
    for block in (None, 1 << stages):
        expected = golden.ops.hadamard(x, fmt, block=block)
        assert_same(
            fakequant.hadamard(values(x, fmt), fmt, block=block), golden.decode(expected, fmt)
        )


@pytest.mark.parametrize("k", hadamard_orders()[1:])
def test_hadamard_of_every_order(k, assert_same) -> None:
    """Usual values and anything, Inf and NaN included; in both directions."""
    for fmt, stages, make, inverse in (
        (BF16, 0, random_codes, True),
        (BF16, 1, usual_codes, False),
        (FP32, 0, usual_codes, False),
        (golden.get_format("e5m2fnuz"), 0, random_codes, False),
    ):
        size = k << stages
        x = make(fmt, (1, 2 * size), k)
        expected = golden.ops.hadamard(x, fmt, block=size, inverse=inverse)
        ours = fakequant.hadamard(values(x, fmt), fmt, block=size, inverse=inverse)
        assert_same(ours, golden.decode(expected, fmt))


@pytest.mark.parametrize("fmt", [*VECTOR, FP32], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("make", [random_codes, usual_codes])
@pytest.mark.parametrize("size", [12, 48, 80])
def test_hadamard_of_other_sizes(fmt, make, size, assert_same) -> None:
    x = make(fmt, (9, 2 * size), size)
    expected = golden.decode(golden.ops.hadamard(x, fmt, block=size), fmt)
    assert_same(fakequant.hadamard(values(x, fmt), fmt, block=size), expected)


def test_hadamard_of_many_rows_is_walked_in_pieces(assert_same) -> None:
    x = usual_codes(BF16, (700, 576), 1)
    ours = fakequant.hadamard(values(x, BF16), BF16, block=576)
    some = [0, 1, 350, 454, 455, 456, 699]
    expected = golden.decode(golden.ops.hadamard(x[some], BF16, block=576), BF16)
    assert_same(ours[some], expected)


@quick
@given(fmt=fmts, shape=shapes, seed=seeds, make=codes)
def test_swiglu(fmt, shape, seed, make, assert_same) -> None:
    gate, up = make(fmt, shape, seed), make(fmt, shape[1:], seed + 1)
    ours = fakequant.swiglu(values(gate, fmt), values(up, fmt), fmt)
    assert_same(ours, golden.decode(golden.ops.swiglu(gate, up, fmt), fmt))


@pytest.mark.parametrize("fmt", ["bf16", "e6m5"])
def test_special_rows_of_a_softmax(fmt, assert_same) -> None:
    """Masked throughout, all lowest, all zeros of either sign, Inf and NaN alone or masked."""
    fmt = golden.get_format(fmt)
    lowest, minus_zero = fmt.sign_mask | fmt.max_code, fmt.sign_mask
    corners = [0, minus_zero, lowest, fmt.max_code, 1]
    if fmt.has_inf:
        corners += [fmt.inf_code, fmt.inf_code | fmt.sign_mask, fmt.nan_code]
    x = np.array(np.meshgrid(corners, corners, corners), dtype=np.uint32).reshape(3, -1).T
    for mask in np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T:
        ours = fakequant.softmax(values(x, fmt), torch.from_numpy(mask), fmt, FP32)
        assert_same(ours, golden.decode(golden.ops.softmax(x, mask, fmt, FP32), fmt))


def test_what_does_not_fit_is_named() -> None:
    x = torch.ones(2, 6)
    with pytest.raises(golden.FormatError, match="exp comes from a table"):
        fakequant.softmax(x, 1, FP32, FP32)
    with pytest.raises(golden.FormatError, match=r"mask of shape \(5,\) does not fit"):
        fakequant.softmax(x, torch.ones(5), BF16, FP32)
    with pytest.raises(golden.FormatError, match="lanes must be at least 1"):
        fakequant.rms_norm(x, 1.0, 0.0, BF16, FP32, lanes=0)
    with pytest.raises(golden.FormatError, match=r"no groups of 2 \* stride"):
        fakequant.rope(x, x, x, BF16, stride=2)
    with pytest.raises(golden.FormatError, match=r"block must be a power of two or .* axis of 6"):
        fakequant.hadamard(x, BF16, block=4)
