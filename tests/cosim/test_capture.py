"""Beats of real layers become tile files that replay and that $readmemh reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from plena_cosim.cosim import difference
from plena_cosim.cosim.capture import MANIFEST, Capture
from plena_cosim.cosim.run import run_cosim
from plena_cosim.golden.ops.registry import get_op


def test_captured_beats_replay_and_read_back(
    job: Callable[..., Any], tmp_path: Path, quiet: Console
) -> None:
    taken = Capture(folder=tmp_path / "tiles", limit=8)
    record = run_cosim(
        job("matmul,silu", tokens=4, fresh=True), out=tmp_path / "run", console=quiet, capture=taken
    )
    assert record["equal"]
    manifest = json.loads((taken.folder / MANIFEST).read_text())
    found = {entry["block"].partition("[")[0]: entry for entry in manifest["tiles"]}
    assert set(found) >= {"mx_mm", "fp_to_mx", "silu"}
    kept = manifest["tiles"]
    rare = 0
    for entry in kept:
        rare += len(entry["rare_bins"])
        assert 0 < entry["kept"] <= 8
        run = difference.load(taken.folder / entry["file"])
        op = get_op(run.wanted.name)
        for port in op.inputs:
            lines = (taken.folder / entry["ports"][port.name]["file"]).read_text().split()
            width = port.width_bits(dict(run.wanted.arguments))
            codes = run.inputs[port.name].reshape(len(lines), -1)
            back = [
                [int(line, 16) >> (lane * width) & ((1 << width) - 1) for lane in range(len(row))]
                for line, row in zip(lines, codes, strict=True)
            ]
            assert np.array_equal(back, codes)
    assert rare > 0
    assert difference.replay(taken.folder / kept[0]["file"]).equal
