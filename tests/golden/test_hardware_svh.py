"""Machines of precision.svh and configuration.svh."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden import FormatError, HardwareConfig, get_format

HERE = Path(__file__).parent / "machines"


def test_both_svh_files_of_a_folder() -> None:
    hw = HardwareConfig.load(HERE)
    assert (hw.mlen, hw.blen, hw.hlen, hw.vlen) == (64, 4, 16, 64)
    assert hw.vector_format.name == "e6m5"
    assert hw.accumulator_format == get_format("fp32")
    left = "\n".join(hw.unmapped)
    for key in ("ACT_MXFP_EXP_WIDTH = 4", "WT_MX_INT_ENABLE = 1", "BLOCK_DIM = 8"):
        assert key in left
    assert "VECTOR_SRAM_DEPTH = 1024" in left
    assert "MAX_LOOP_DEPTH = $clog2(MLEN)" in left


def test_one_svh_file_has_the_other_s_defaults() -> None:
    assert HardwareConfig.load(HERE / "configuration.svh").vector_format == get_format("bf16")
    assert HardwareConfig.load(HERE / "precision.svh").mlen == HardwareConfig().mlen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameter MLEN = 0;", "MLEN must be a positive integer, got 0"),
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
