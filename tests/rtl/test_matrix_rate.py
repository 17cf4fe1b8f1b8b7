"""The matrix unit takes a beat in every cycle, but for the wait after a write that it states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import get_format
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim import load_block
from plena_cosim.sim.player.player import load_op
from plena_cosim.sim.stimuli.stimuli import sample
from plena_cosim.sim.verilate.model import SHORT


def cycles(block: Any, beats: int, beats_a_sum: int) -> int:
    """Return the cycles of so many beats, of which each sum's last one writes."""
    given = sample(block.op, block.formats, seed=0, count=beats)
    place = np.arange(beats) % beats_a_sum
    given["first"], given["write"] = place == 0, place == beats_a_sum - 1
    return block.play(given).cycles


@pytest.mark.parametrize(
    ("rows", "cols", "block_size", "stages", "wait"),
    [
        (4, 4, 8, 1, 5),  # 8 lanes a path: a walk of 8 + 5 cycles, the next block ends after 8
        (4, 4, 32, 1, 0),  # 16 lanes a path
        (1, 3, 4, 1, 4),
        (1, 3, 4, 2, 6),  # the fewest lanes a path with two stages
        (2, 2, 1, 1, 5),  # a path a lane
    ],
)
def test_a_step_a_cycle_and_a_wait_a_write(
    rows: int, cols: int, block_size: int, stages: int, wait: int
) -> None:
    mx, op = get_format("mxint4", block_size=block_size), get_op("mx_tile")
    formats = {"a": mx, "b": mx, "acc": get_format("fp32"), "v": get_format("bf16")}
    formats |= {"rows": rows, "cols": cols}
    parameters = op.sv_parameters(**formats) | {"Stages": stages}
    tile = load_op(op, formats, parameters, flavour=SHORT)
    blocks, sums = 3, 5
    beats_a_sum = blocks * block_size
    more = cycles(tile, 2 * sums * beats_a_sum, beats_a_sum) - cycles(
        tile, sums * beats_a_sum, beats_a_sum
    )
    assert more == sums * (beats_a_sum + wait)


@pytest.mark.parametrize(("depth", "wait"), [(8, 5), (16, 5)])
def test_a_slice_takes_its_depth(depth: int, wait: int) -> None:
    mx = get_format("mxint4", block_size=8)
    sizes = {"rows": 4, "cols": 4, "depth": depth}
    unit = load_block("mx_mm", flavour=SHORT, a=mx, b=mx, acc="fp32", v="bf16", **sizes)
    slices, sums = 4, 5
    more = cycles(unit, 2 * sums * slices, slices) - cycles(unit, sums * slices, slices)
    assert more == sums * (slices * depth + wait)
