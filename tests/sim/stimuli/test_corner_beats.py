"""Directed beats: corners come out of vectors and sums, not only out of random luck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import get_format
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim.stimuli.corners import corner_codes
from plena_cosim.sim.stimuli.vectors import corner_rows, vector_beats


def outputs(name: str, formats: dict[str, Any]) -> set[int]:
    op = get_op(name)
    chunks = [op.run_golden(beats, **formats)["y"].ravel() for beats in corner_rows(op, formats)]
    return set(np.concatenate(chunks).tolist())


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_max"])
def test_a_seed_of_every_corner_passes_through_a_cleared_mask(name: str) -> None:
    dst = get_format("fp32")
    seen = outputs(name, {"src": get_format("bf16"), "dst": dst, "lanes": 4})
    assert {int(code) for code in corner_codes(dst) if code & 0x7FFFFFFF <= dst.inf_code} <= seen


def test_a_rotation_by_nothing_gives_its_corners_back() -> None:
    fmt = get_format("e6m5")
    seen = outputs("rope", {"fmt": fmt, "groups": 1, "stride": 1})
    magnitudes = {int(code) for code in corner_codes(fmt) if code < fmt.sign_mask}
    assert magnitudes <= seen


def test_one_vector_brings_every_code() -> None:
    fmt = get_format("e4m3")
    beats = vector_beats(get_op("silu"), {"fmt": fmt, "lanes": 3}, seed=0, budget=0)
    seen = np.concatenate([chunk["x"].ravel() for chunk in beats])
    assert set(seen.tolist()) == set(range(256))
