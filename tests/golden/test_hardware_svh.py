"""Machines of precision.svh and configuration.svh."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden import FormatError, HardwareConfig, get_format
from plena_cosim.golden.isa.machine import Machine

HERE = Path(__file__).parent / "machines"


def test_both_svh_files_of_a_folder() -> None:
    hw = HardwareConfig.load(HERE)
    assert (hw.mlen, hw.blen, hw.hlen, hw.vlen) == (64, 4, 16, 64)
    assert hw.vector_format.name == "e6m5"
    assert hw.accumulator_format == get_format("fp32")
    left = "\n".join(hw.unmapped)
    for key in ("ACT_MXFP_EXP_WIDTH = 4", "WT_MX_INT_ENABLE = 1", "BLOCK_DIM = 8"):
        assert key in left
    assert "VECTOR_SRAM_DEPTH" not in left
    assert "MAX_LOOP_DEPTH = $clog2(MLEN)" in left
    assert Machine.load(HERE).memories.vector_rows == 1024


TYPES = """
parameter MLEN = 32, VLEN = 32, HLEN = 16, BLEN = 8, MATRIX_SRAM_DEPTH = 3 * MLEN;
parameter ACT_MXFP_EXP_WIDTH = 4, ACT_MXFP_MANT_WIDTH = 3;
parameter KV_MX_EXP_WIDTH = 5, KV_MX_MANT_WIDTH = 2;
parameter WT_MX_INT_ENABLE = 1, WT_MX_INT_WIDTH = 4, WT_MXFP_EXP_WIDTH = 4;
parameter MX_SCALE_WIDTH = 8, BLOCK_DIM = 8, MAX_LOOP_DEPTH = 6, HBM_V_Prefetch_Amount = 16;
"""


def test_types_and_memories(tmp_path: Path) -> None:
    (tmp_path / "x.svh").write_text(TYPES)
    assert HardwareConfig.load(tmp_path / "x.svh").unmapped == ()
    machine = Machine.load(tmp_path / "x.svh")
    names = ("mxint4", "mxfp8_e4m3", "mxfp8_e5m2")
    types = [get_format(name, block_size=8) for name in names]
    assert [machine.weight, machine.activation, machine.kv] == types
    assert (machine.memories.matrix_tiles, machine.memories.loop_depth) == (3, 6)
    assert machine.prefetch_rows == 16


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("MX_SCALE_WIDTH = 8", "MX_SCALE_WIDTH = 4", ["ACT_", "ACT_", "KV_", "KV_"]),
        ("BLOCK_DIM = 8", "OTHER = 8", ["ACT_", "ACT_", "KV_", "KV_"]),
        ("KV_MX_MANT_WIDTH = 2", "KV_MX_MANT_WIDTH = wide", ["KV_", "KV_"]),
    ],
)
def test_types_that_are_not_all_there(tmp_path: Path, old: str, new: str, left: list[str]) -> None:
    assert old in TYPES
    (tmp_path / "x.svh").write_text(TYPES.replace(old, new))
    found = HardwareConfig.load(tmp_path / "x.svh").unmapped
    assert [line[: len(name)] for line, name in zip(found, left, strict=False)] == left
    assert "without widths, BLOCK_DIM and scales of 8 bits" in found[0]


def test_one_svh_file_has_the_other_s_defaults() -> None:
    assert HardwareConfig.load(HERE / "configuration.svh").vector_format == get_format("bf16")
    assert HardwareConfig.load(HERE / "precision.svh").mlen == HardwareConfig().mlen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameter MLEN = 0;", "MLEN must be a positive integer, got 0"),
        ("parameter MLEN = 8'd2ac;", 'MLEN must be a positive integer, got "8\'d2ac"'),
        ("parameter MLEN = WIDE;", "MLEN must be a positive integer, got 'WIDE'"),
        ("parameter V_FP_EXP_WIDTH = 6;", "V_FP_MANT_WIDTH is missing"),
        ("parameter V_FP_EXP_WIDTH = 99; parameter V_FP_MANT_WIDTH = 3;", "V_FP_EXP_WIDTH and"),
        ("parameter DEPTH = 3;", "no size or format of a machine in it"),
        ("nothing", "no parameter, localparam or `define in it"),
    ],
)
def test_a_wrong_svh(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.svh").write_text(text)
    with pytest.raises(FormatError) as caught:
        HardwareConfig.load(tmp_path / "x.svh")
    assert message in str(caught.value)
