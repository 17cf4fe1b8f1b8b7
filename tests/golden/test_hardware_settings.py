"""Machines of PLENA's own settings files, and the sizes of the matrix unit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plena_cosim.golden import FormatError, HardwareConfig, get_format

HERE = Path(__file__).parent / "machines"


def test_settings_toml() -> None:
    hw = HardwareConfig.load(HERE / "plena_settings.toml")
    assert hw == HardwareConfig(mlen=32, blen=8, hlen=16, vlen=32, v_writeback=4)
    assert hw.reduction_format == get_format("fp32")
    left = "\n".join(hw.unmapped)
    for key in ("BROADCAST_AMOUNT = 2", "HBM_SIZE = 1048576", "DC_EN = 0", "[ANALYTIC]", "LATENCY"):
        assert key in left
    assert "HBM_M_WEIGHT_TYPE = Mx int4, blocks of 8: the format of weights" in left


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


def test_two_files_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    shutil.copy(HERE / "configuration.svh", tmp_path)
    text = (HERE / "precision.svh").read_text().replace("endpackage", "parameter BLEN = 16;")
    (tmp_path / "precision.svh").write_text(text)
    with pytest.raises(FormatError, match=r"precision.svh: BLEN = 16, but .*configuration.svh has"):
        HardwareConfig.load(tmp_path)


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[TRANSACTIONAL.CONFIG]\nMLEN = { value = -1 }", "MLEN must be a positive integer"),
        ("[TRANSACTIONAL]\nCONFIG = 3", "[TRANSACTIONAL.CONFIG] must be a table"),
        ("[ANALYTIC.CONFIG]\nHBM_SIZE = {value = 3}", "no size or format of a machine in it"),
    ],
)
def test_a_wrong_settings_toml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(FormatError) as caught:
        HardwareConfig.load(tmp_path / "x.toml")
    assert message in str(caught.value)


def test_tables_are_read_as_the_same_machine() -> None:
    q = get_format("q16.16", wrap=True)
    for hw in (HardwareConfig.load(HERE), HardwareConfig(accumulator_format=q, v_writeback=8)):
        assert HardwareConfig.from_tables(hw.tables()) == hw


def test_sizes_of_the_matrix_unit() -> None:
    hw = HardwareConfig.load("configs/hw/plena-32.toml")
    assert hw.sizes("mx_mm") == {"rows": 32, "cols": 32, "depth": 64}
    assert hw.sizes("mx_mv") == {"cols": 64, "depth": 64}
    assert hw.sizes("mx_bmm") == {"heads": 1, "rows": 32, "cols": 32, "depth": 64}
    assert HardwareConfig().sizes("mx_bmm") == {"heads": 4, "rows": 4, "cols": 4, "depth": 16}
    assert hw.writeback_rows == 32


@pytest.mark.parametrize(
    ("hw", "op", "message"),
    [
        (HardwareConfig(blen=3), "mx_mm", "powers of two, blen <= mlen; got blen = 3, mlen = 64"),
        (HardwareConfig(hlen=128), "mx_bmm", "got blen = 4, hlen = 128, mlen = 64"),
        (HardwareConfig(), "mx_nm", "no sizes for 'mx_nm'; known: mx_mm, mx_mv, mx_bmm. Did you"),
    ],
)
def test_sizes_that_do_not_fit(hw: HardwareConfig, op: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        hw.sizes(op)
    assert message in str(caught.value)
