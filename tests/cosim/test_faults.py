"""A fault in any block is found by a run of a model, located to its operation, and replayed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plena_cosim.cosim import difference
from plena_cosim.cosim.run import run_cosim
from plena_cosim.sim.verilate.fault import Fault


@dataclass(frozen=True, kw_only=True)
class Located:
    """A fault, what runs in blocks, and the operation that has to be named."""

    block: str
    fault: Fault
    ops: str
    op: str


def _result(file: str, old: str, new: str) -> Fault:
    return Fault(file, f".in_data_i({old})", f".in_data_i({new})", "a last bit wrong")


LANE = ".in_valid_i, .in_ready_o, .x_i, .mask_i"
SIGN = LANE.replace(".x_i", ".x_i(x_i ^ (Lanes * SrcWidth)'({x_i[1][0], (SrcWidth - 1)'(0)}))")
FAULTS = (
    Located(
        block="mx_mm",
        fault=Fault(
            "matrix/plena_mx_matmul.sv",
            "block       = k / BlockSize",
            "block       = (k + 1) / BlockSize % Blocks",
            "scale of the next block",
        ),
        ops="matmul",
        op="matmul",
    ),
    Located(
        block="fp_to_mx",
        fault=Fault(
            "mx/plena_mx_scale.sv", "+ CodeW'(CodeOffset)", "+ CodeW'(CodeOffset + 1)", "scale"
        ),
        ops="matmul",
        op="quantize_mx",
    ),
    Located(
        block="mx_to_fp",
        fault=Fault(
            "mx/plena_mx_to_fp_core.sv", "sign ? -codes_i[lane]", "sign ? ~codes_i[lane]", "minus"
        ),
        ops="kv_cache",
        op="quantize",
    ),
    Located(
        block="fp_cast",
        fault=_result("fp/plena_fp_cast.sv", "y", "y ^ DstWidth'(a_i[SrcWidth-1])"),
        ops="silu",
        op="cast",
    ),
    Located(
        block="fp_add",
        fault=_result("fp/plena_fp_add.sv", "y", "y ^ Width'(a_i[0])"),
        ops="residual",
        op="add",
    ),
    Located(
        block="fp_sub",
        fault=Fault(
            "fp/plena_fp_sub.sv",
            "{!b_i[Width-1], b_i[Width-2:0]}",
            "{b_i[Width-1], b_i[Width-2:0]}",
            "adds",
        ),
        ops="softmax",
        op="softmax",
    ),
    Located(
        block="fp_mul",
        fault=_result("fp/plena_fp_mul.sv", "y", "y ^ Width'(a_i[0])"),
        ops="residual",
        op="mul",
    ),
    Located(
        block="fp_exp",
        fault=Fault(
            "common/plena_exp2_fraction.sv",
            "W'(product >> FactorW)",
            "W'(product >> (FactorW + 1))",
            "halved",
        ),
        ops="softmax",
        op="softmax",
    ),
    Located(
        block="fp_reciprocal",
        fault=Fault(
            "common/plena_divide.sv",
            "!left[Width+1];\n      rem_o = left[Width+1]",
            "!left[Width+1];\n      rem_o = !left[Width+1]",
            "restored when it must not be",
        ),
        ops="softmax",
        op="softmax",
    ),
    Located(
        block="fp_sqrt",
        fault=Fault(
            "fp/plena_fp_sqrt.sv",
            "whole[0] ? {sig, 1'b0}",
            "!whole[0] ? {sig, 1'b0}",
            "even exponents lend a 2",
        ),
        ops="rms_norm",
        op="rms_norm",
    ),
    Located(
        block="reduce_sum",
        fault=Fault(
            "vector/plena_reduce_sum.sv",
            LANE,
            SIGN,
            "sign of lane 0 by the last bit of lane 1",
        ),
        ops="rms_norm",
        op="rms_norm",
    ),
    Located(
        block="reduce_max",
        fault=Fault(
            "vector/plena_reduce_max.sv",
            LANE,
            SIGN,
            "sign of lane 0 by the last bit of lane 1",
        ),
        ops="softmax",
        op="softmax",
    ),
    Located(
        block="silu",
        fault=Fault(
            "vector/plena_silu.sv",
            ".a_i(negated)",
            ".a_i(negated ^ {Lanes{1'b1, (Width - 1)'(0)}})",
            "argument not negated",
        ),
        ops="silu",
        op="silu",
    ),
)
QUICK = ("mx_mm", "fp_sub", "fp_mul")
LONG = bool(os.environ.get("PLENA_COSIM_LONG"))


@pytest.mark.parametrize(
    "located",
    [each for each in FAULTS if LONG or each.block in QUICK],
    ids=lambda each: each.block,
)
def test_a_fault_is_located(
    located: Located, job: Callable[..., Any], tmp_path: Path, quiet: Console
) -> None:
    rtl = located.fault.write(tmp_path)
    out = tmp_path / "run"
    record = run_cosim(job(located.ops, rtl_dir=rtl), out=out, console=quiet)
    assert not record["equal"]
    said = record["difference"]
    assert f"plena_{located.block} {located.block}[" in said
    assert f": {located.op}" in said
    assert "replay: plena cosim replay" in said
    found = json.loads((out / "difference.json").read_text())
    assert (found["op"], found["block"]) == (located.op, located.block)
    assert found["module"].startswith("model.layers.0")
    beats = next(out.glob("*.npz"))
    assert beats.with_suffix(".vcd").stat().st_size > 1000
    again = difference.replay(beats, rtl_dir=rtl)
    assert not again.equal
    assert again.line.partition("y[")[2] == found["block_line"].partition("y[")[2]
    assert difference.replay(beats).equal


def test_every_block_that_a_run_uses_has_a_fault() -> None:
    assert len({each.block for each in FAULTS}) == len(FAULTS) == 13
