"""reduce_sum and reduce_max equal golden's, in every order of addition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import pieces, reduce_max, reduce_rows, reduce_sum

from .samples import FORMATS, NAMED, label, random_codes, usual_codes, values

pytestmark = pytest.mark.filterwarnings("ignore::plena_cosim.golden.NanReplacedWarning")

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")
NAMES = ("reduce_sum", "reduce_max")


def compare(name, x, seed, src, dst, mask, lanes, assert_same) -> None:
    expected = golden.ops.reduce_rows(
        getattr(golden.ops, name), x, seed, src, dst, mask=mask, lanes=lanes
    )
    ours = reduce_rows(
        getattr(fakequant, name),
        values(x, src),
        values(seed, dst),
        src,
        dst,
        mask=torch.as_tensor(mask),
        lanes=lanes,
    )
    assert_same(ours, golden.decode(expected, dst))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("codes", [random_codes, usual_codes])
@pytest.mark.parametrize("dst", FORMATS, ids=label)
def test_every_reduction_format(dst, codes, name, assert_same) -> None:
    for src in (dst, *(golden.get_format(name) for name in ("bf16", "e6m5", "e4m3", "e5m2"))):
        x, seed = codes(src, (60, 11), 1), random_codes(dst, 60, 2)
        mask = np.random.default_rng(3).integers(0, 2, x.shape)
        for lanes in (None, 1, 4, 11, 16):
            compare(name, x, seed, src, dst, mask, lanes, assert_same)
            compare(name, x, seed, src, dst, np.int64(1), lanes, assert_same)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    src=st.sampled_from(NAMED),
    dst=st.sampled_from(NAMED),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 40)),
    lanes=st.integers(1, 48),
    seed=st.integers(0, 1 << 30),
)
def test_any_shape(name, src, dst, shape, lanes, seed, assert_same) -> None:
    x, start = usual_codes(src, shape, seed), usual_codes(dst, shape[:-1], seed)
    mask = np.random.default_rng(seed).integers(0, 2, shape[seed % 3 :])
    compare(name, x, start, src, dst, mask, lanes, assert_same)


def test_a_sum_that_overflows_on_the_way_saturates_there(assert_same) -> None:
    huge, one = FP32.max_code, int(golden.encode(1.0, FP32))
    rows = [[huge, huge, huge | FP32.sign_mask, one], [FP32.inf_code, huge, one, one]]
    x = np.array(rows, dtype=np.uint32)
    compare("reduce_sum", x, np.zeros(2, np.uint32), FP32, FP32, np.int64(1), None, assert_same)


def test_lanes_that_are_not_there_leave_a_negative_zero(assert_same) -> None:
    minus = np.full((2, 3), 0x8000, dtype=np.uint32)
    seed = np.full(2, FP32.sign_mask, dtype=np.uint32)
    for mask in ([1, 1, 1], [0, 1, 0], [0, 0, 0]):
        for lanes in (None, 2, 4):
            compare("reduce_sum", minus, seed, BF16, FP32, np.array(mask), lanes, assert_same)
    ours = reduce_rows(reduce_sum, values(minus, BF16), values(seed, FP32), BF16, FP32, lanes=2)
    assert ours.signbit().all()


def test_zeros_and_nans_of_a_maximum(assert_same) -> None:
    minus, nan = 0x8000, 0x7FC0
    rows = [[minus, 0], [minus, minus], [nan, minus], [nan, nan], [0x8001, minus]]
    x, minus_inf = np.array(rows, dtype=np.uint32), FP32.inf_code | FP32.sign_mask
    for seed in (0x80000000, FP32.nan_code, minus_inf):
        start = np.full(5, seed, dtype=np.uint32)
        for mask in ([1, 1], [0, 1], [0, 0]):
            given_mask = np.array(mask)
            compare("reduce_max", x, start, BF16, FP32, given_mask, None, assert_same)


def test_pieces_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    x = values(usual_codes(BF16, (6, 5, 9), 4, specials=0.0), BF16)
    for reduction in (reduce_sum, reduce_max):
        whole = reduction(x, 1, 0.5, BF16, FP32)
        monkeypatch.setattr(pieces, "_PIECE_VALUES", 20)
        assert torch.equal(reduction(x, 1, 0.5, BF16, FP32), whole)
        monkeypatch.undo()


def test_what_does_not_fit_is_named() -> None:
    x = torch.ones(2, 3)
    with pytest.raises(golden.FormatError, match="lanes must be at least 1, got 0"):
        reduce_rows(reduce_sum, x, 0.0, BF16, FP32, lanes=0)
    with pytest.raises(golden.FormatError, match=r"at least one element, got shape \(2, 0\)"):
        reduce_sum(x[:, :0], 1, 0.0, BF16, FP32)
    with pytest.raises(
        golden.FormatError, match=r"need one seed a vector, \(2,\), got shape \(3,\)"
    ):
        reduce_sum(x, 1, torch.zeros(3), BF16, FP32)
    with pytest.raises(golden.FormatError, match=r"mask of shape \(4,\) does not fit .* \(2, 3\)"):
        reduce_sum(x, torch.ones(4), 0.0, BF16, FP32)
    with pytest.raises(golden.FormatError, match="need reduce_sum or reduce_max"):
        reduce_rows(torch.add, x, 0.0, BF16, FP32)  # type: ignore[arg-type]
