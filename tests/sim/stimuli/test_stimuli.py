"""The stimuli: complete where they say so, seeded, bounded in size, and with every corner."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import decode, get_format
from plena_cosim.golden.ops.mx_pe import block_places
from plena_cosim.golden.ops.registry import OPS, get_op
from plena_cosim.sim.cases.table import Case, all_cases, find_case, select_cases
from plena_cosim.sim.player.harness import input_ports
from plena_cosim.sim.stimuli.corners import corner_codes, near_ties
from plena_cosim.sim.stimuli.stimuli import CHUNK_LANES, is_exhaustive, sample, stimuli


@pytest.mark.parametrize("name", ["e2m1", "e3m2", "e4m3", "e5m2"])
def test_exhaustive_pairs_are_all_there_once(name: str) -> None:
    op, formats = get_op("fp_mul"), {"fmt": get_format(name)}
    width_bits = formats["fmt"].width_bits
    chunks = list(stimuli(op, formats, seed=0, budget=0))
    pairs = np.concatenate([chunk["a"].astype(int) << width_bits | chunk["b"] for chunk in chunks])
    assert np.array_equal(np.sort(pairs), np.arange(1 << (2 * width_bits)))


def test_e6m5_pairs_come_in_chunks_and_are_16_8_million() -> None:
    op, formats = get_op("fp_add"), {"fmt": get_format("e6m5")}
    sizes = [len(chunk["a"]) for chunk in stimuli(op, formats, seed=0, budget=0)]
    assert sum(sizes) == 1 << 24
    assert max(sizes) <= CHUNK_LANES


def test_every_scalar_case_of_up_to_16_bits_a_side_is_exhaustive_as_promised() -> None:
    for case in all_cases():
        if case.op.name in ("fp_add", "fp_mul") and case.formats["fmt"].width_bits <= 12:
            assert is_exhaustive(case.op, case.formats), case.id
        if case.op.name == "fp_cast" and case.formats["src"].width_bits <= 16:
            assert is_exhaustive(case.op, case.formats), case.id


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp32", "e4m3"])
def test_corners_hold_every_kind_of_code(name: str) -> None:
    fmt = get_format(name)
    codes = set(corner_codes(fmt).tolist())
    one = fmt.bias_value << fmt.man_bits
    wanted = {0, 1, 1 << fmt.man_bits, (1 << fmt.man_bits) - 1, one, one + 1, fmt.max_code}
    wanted |= {fmt.nan_code} | ({fmt.inf_code, fmt.inf_code + 1} if fmt.has_inf else set())
    for code in wanted:
        assert {code, code | fmt.sign_mask} <= codes, hex(code)


def test_fixed_point_corners_hold_both_ends_and_the_lsb() -> None:
    assert {0, 1, 0xFF, 0x7F, 0x80, 0x81} <= set(corner_codes(get_format("q2.6")).tolist())


def test_near_ties_hold_each_midpoint_and_its_neighbours() -> None:
    src, dst = get_format("fp32"), get_format("e2m1")
    values = set(decode(near_ties(src, dst), src).tolist())
    for tie in (0.25, 0.75, 1.25, 2.5, 5.0):
        up = float(np.nextafter(np.float32(tie), np.float32(9)))
        down = float(np.nextafter(np.float32(tie), np.float32(0)))
        assert {tie, up, down, -tie, -up, -down} <= values, tie


def test_corner_pairs_come_before_the_random_ones() -> None:
    case = find_case("fp_mul-bf16-corners+random")
    first = next(stimuli(case.op, case.formats, seed=0, budget=10))
    corners = corner_codes(case.formats["fmt"])
    assert len(first["a"]) == len(corners) ** 2


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
def test_beats_fit_their_ports_and_follow_the_seed(case: Case) -> None:
    beats, again, other = (sample(case.op, case.formats, seed=s, count=300) for s in (5, 5, 6))
    for port in input_ports(case.op, case.formats):
        codes = beats[port.name]
        assert codes.shape == port.shape(300)
        assert codes.dtype == port.dtype
        assert int(codes.max()) < 1 << port.width_bits
        assert np.array_equal(codes, again[port.name])
    assert any(not np.array_equal(beats[name], other[name]) for name in beats)


def test_mx_codes_meet_every_scale() -> None:
    case = find_case("mx_to_fp-mxint4-bf16-blocks")
    first = next(stimuli(case.op, case.formats, seed=0, budget=0))
    pairs = {(c, s) for block, s in zip(*first.values(), strict=True) for c in set(block.tolist())}
    assert len(pairs) == 16 * 256


def test_dot_beats_meet_in_the_accumulator() -> None:
    """Most results are finite and nonzero, some saturate or are NaN, and sums restart."""
    case = find_case("mx_dot-mxint8-mxint8-fp32-blocks")
    beats = sample(case.op, case.formats, seed=0, count=8000)
    acc = case.formats["acc"]
    codes = case.op.run_golden(beats, **case.formats)["acc"]
    values = decode(codes, acc)
    assert np.isfinite(values).mean() > 0.5
    assert (values == 0).mean() < 0.3
    assert np.isnan(values).any()
    assert (np.abs(values) == acc.max_value).any()
    assert 0.05 < beats["first"].mean() < 0.6
    assert beats["first"][0] == 0


def test_blocks_with_micro_exponents_meet_and_cancel() -> None:
    """Both values, whole blocks of one, and blocks that take back the one before."""
    case = find_case("micro_dot-mx6.b2-mx6.b2-fp16-blocks")
    beats = sample(case.op, case.formats, seed=0, count=8000)
    for name in ("a_micro", "b_micro"):
        assert 0.3 < beats[name].mean() < 0.7
    case = find_case("micro_dot-mx9-mx9-fp32-blocks")
    beats = sample(case.op, case.formats, seed=0, count=8000)
    assert {0, 16} < set(beats["a_micro"].sum(axis=1).tolist())
    acc = case.formats["acc"]
    values = decode(case.op.run_golden(beats, **case.formats)["acc"], acc)
    assert np.isfinite(values).mean() > 0.5
    assert (np.abs(values) == acc.max_value).any()
    cancelled = (values[1:] == 0) & (values[:-1] != 0) & (beats["first"][1:] == 0)
    assert cancelled.sum() > 20


def test_elements_of_a_block_come_beat_by_beat() -> None:
    """Blocks are whole between restarts but for a few, and scales mostly stay inside a block."""
    case = find_case("mx_pe-mxint8.b8-mxint4.b8-fp32-blocks")
    beats = sample(case.op, case.formats, seed=0, count=8000)
    starts = np.flatnonzero(beats["first"])
    assert 0.6 < (np.diff(starts) % 8 == 0).mean() < 0.99
    place = block_places(beats["first"], 8)
    same = beats["a_scale"][1:] == beats["a_scale"][:-1]
    assert 0.6 < same[place[1:] != 0].mean() < 1
    acc = case.formats["acc"]
    values = decode(case.op.run_golden(beats, **case.formats)["acc"], acc)
    assert np.isfinite(values).mean() > 0.5
    assert np.isnan(values).any()
    assert (np.abs(values) == acc.max_value).any()


def test_quantiser_blocks_hold_every_kind() -> None:
    case = find_case("fp_to_mx-bf16-mxint4-blocks")
    blocks = decode(
        next(stimuli(case.op, case.formats, seed=0, budget=8192))["x"], get_format("bf16")
    )
    assert (blocks == 0).all(axis=1).any()
    assert np.isnan(blocks).any(axis=1).any()
    assert np.isinf(blocks).any(axis=1).any()
    assert np.isfinite(blocks).all(axis=1).mean() > 0.5
    tiny = get_format("bf16").min_normal
    assert ((np.abs(blocks) < tiny).all(axis=1) & (blocks != 0).any(axis=1)).any()
    assert (np.abs(blocks) == get_format("bf16").max_value).all(axis=1).any()


def test_every_op_of_the_registry_has_cases_and_a_bench() -> None:
    assert {case.op.name for case in all_cases()} == set(OPS)
    assert {case.op.name for case in all_cases() if case.bench} == set(OPS)
    ids = [case.id for case in all_cases()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("case", select_cases("attention_step"), ids=lambda case: case.id)
def test_attention_beats_have_scores_that_meet(case: Case) -> None:
    """Most outputs are finite and nonzero, some keys are hidden, and queries begin and end."""
    beats = sample(case.op, case.formats, seed=0, count=4000)
    values = decode(case.op.run_golden(beats, **case.formats)["y"], case.formats["fmt"])
    assert np.isfinite(values).mean() > 0.7
    assert (values == 0).mean() < 0.4
    assert len(np.unique(values)) > 150
    assert 0.05 < beats["first"].mean() < 0.6
    assert 0.3 < beats["last"].mean() < 0.8
    assert 0.3 < beats["mask"].mean() < 0.8
