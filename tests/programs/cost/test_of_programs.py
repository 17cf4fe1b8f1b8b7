"""What a model takes by its programs: against those programs themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.timing import Timing
from plena_cosim.programs import build
from plena_cosim.programs.cost import ModelShape, emulator, of_programs

SHAPE = ModelShape(
    hidden=64,
    heads=4,
    kv_heads=2,
    head_dim=16,
    intermediate=96,
    layers=3,
    vocabulary=100,
)
TIMING = Timing(hbm_gb_s=32.0)


@pytest.fixture
def timed(machine):
    return replace(machine, timing=TIMING)


def cycles(machine, name: str, **sizes: int) -> float:
    """Return the cycles of a program of the catalogue, transfers not rounded up."""
    found = emulator(build(name, machine, **sizes).builder.program().words, machine)
    moved = sum(found.bytes.values()) / machine.timing.bytes_per_cycle
    return sum(found.cycles.values()) + moved


def test_a_prompt_is_the_layer_s_program_so_often(timed) -> None:
    """The layer that is built without weights has the cycles of one with weights, bits held."""
    sizes = {"rows": 21, "columns": 64, "outputs": 96, "block": 16, "kv_heads": 2}
    layer = cycles(timed, "decoder_layer", **sizes)
    found = of_programs(SHAPE, timed, batch=1, read=21, written=1).prefill
    layers = sum(spent for name, spent in found.items() if name not in ("embedding", "head"))
    assert layers == pytest.approx(SHAPE.layers * layer, abs=1e-6)
    head = cycles(timed, "lm_head", rows=1, columns=64, outputs=100)
    assert found["head"] == pytest.approx(head, abs=1e-6)
    assert all(spent > 0 for spent in found.values())


def test_tokens_see_as_many_tiles_as_they_are_behind(timed) -> None:
    """Up to 16 tokens are one tile of keys, so that tokens 14 to 16 cost the same."""

    def tokens(read: int, written: int) -> float:
        found = of_programs(SHAPE, timed, batch=1, read=read, written=written)
        return sum(found.decode.values())

    one, two = tokens(13, 1), tokens(16, 1)
    assert tokens(13, 3) == pytest.approx(3 * one)
    assert tokens(14, 3) == pytest.approx(2 * one + two)
    assert one < two


def test_lengths_between_those_that_are_counted(timed) -> None:
    """Of nine numbers of tiles five are counted; the sum of all nine is near."""
    written = 9 * 16
    found = of_programs(SHAPE, timed, batch=1, read=16, written=written)
    each = [of_programs(SHAPE, timed, batch=1, read=16 * at, written=16) for at in range(1, 10)]
    wanted = sum(sum(one.decode.values()) for one in each)
    assert sum(found.decode.values()) == pytest.approx(wanted, rel=0.01)


def test_sequences_follow_each_other_and_a_clock_is_a_clock(timed) -> None:
    one = of_programs(SHAPE, timed, batch=1, read=5, written=2)
    four = of_programs(SHAPE, timed, batch=4, read=5, written=2)
    assert four.first_token_ms == pytest.approx(4 * one.first_token_ms)
    assert four.tokens_per_s == pytest.approx(one.tokens_per_s)
    quick = of_programs(
        SHAPE, timed, batch=1, read=5, written=2, clock_ghz=2.0, bandwidth_gb_s=64.0
    )
    assert quick.first_token_ms == pytest.approx(one.first_token_ms / 2)
    slow = of_programs(SHAPE, timed, batch=1, read=5, written=2, vendor=False, overhead=3)
    assert slow.first_token_ms > one.first_token_ms


@pytest.mark.parametrize("what", ["batch", "read", "written", "clock_ghz", "bandwidth_gb_s"])
def test_what_has_no_programs(timed, what: str) -> None:
    sizes = {"batch": 1, "read": 1, "written": 1, what: 0}
    with pytest.raises(FormatError, match=r"programs: .*need"):
        of_programs(SHAPE, timed, **sizes)


def test_a_machine_whose_transfers_do_not_fit(timed) -> None:
    sizes = {"batch": 1, "read": 1, "written": 1}
    with pytest.raises(FormatError, match="v_prefetch = v_writeback; the machine has 2 and 4"):
        of_programs(SHAPE, replace(timed, v_prefetch=2), **sizes)
