"""Waveforms: written whole or not at all, and opened only where there is something to open with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.golden import FormatError
from plena_cosim.sim.cases.table import find_case
from plena_cosim.sim.formal.proofs import STREAM
from plena_cosim.sim.player.player import ProtocolError
from plena_cosim.sim.regression import waves
from plena_cosim.sim.verilate.fault import Fault

CASE = "fp_mul-e2m1-all"


def test_records_a_vcd_with_every_port_and_some_stalls(tmp_path: Path) -> None:
    recorded = waves.record("fp_mul", "e2m1", count=20, seed=3, folder=tmp_path)
    assert recorded.path == tmp_path / f"{CASE}.vcd"
    assert [path.name for path in tmp_path.iterdir()] == [recorded.path.name]
    text = recorded.path.read_text(encoding="utf-8")
    assert "$enddefinitions" in text
    for port in ("clk_i", "rst_ni", "in_valid_i", "in_ready_o", "a_i", "b_i", "y_o"):
        assert f" {port} " in text
    assert recorded.equal
    assert recorded.cycles > 20 + 1
    assert recorded.line() == f"{CASE}: 20 beats in {recorded.cycles} cycles, equal to golden"


def test_wrong_rtl_is_recorded_and_said(tmp_path: Path) -> None:
    rtl = Fault(STREAM, "data_q <= in_data_i;", "data_q <= ~in_data_i;").write(tmp_path)
    recorded = waves.record("fp_mul", "e2m1", count=8, seed=0, folder=tmp_path, rtl_dir=rtl)
    assert not recorded.equal
    assert "NOT equal" in recorded.line()


def test_a_broken_protocol_leaves_no_file(tmp_path: Path) -> None:
    rtl = Fault(STREAM, "valid_q <= in_valid_i;", "valid_q <= 1'b0;").write(tmp_path)
    case, folder = find_case(CASE), tmp_path / "waves"
    beats = {"a": np.zeros(4, dtype=np.uint8), "b": np.zeros(4, dtype=np.uint8)}
    with pytest.raises(ProtocolError):
        waves.write_vcd(case, beats, folder / "x.vcd", rtl_dir=rtl)
    assert list(folder.iterdir()) == []


def test_unknown_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="Did you mean 'fp_mul'"):
        waves.record("fp_mull", None, count=8, seed=0, folder=tmp_path)


def fake_viewer(folder: Path, name: str) -> Path:
    program = folder / name
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/opened\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def test_opens_only_with_a_viewer_and_a_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    vcd = tmp_path / "a b.vcd"
    assert waves.show(vcd) == "no viewer on PATH; install one of: surfer, gtkwave"
    fake_viewer(tmp_path, "gtkwave")
    assert waves.open_command(vcd) == f"gtkwave '{vcd}'"
    assert "no display" in waves.show(vcd)
    monkeypatch.setenv("DISPLAY", ":0")
    assert waves.show(vcd) == "opened in gtkwave"


def test_command_prints_path_and_how_to_open_it(tmp_path: Path) -> None:
    arguments = ["waves", "--block", "fp_mul", "--fmt", "e2m1", "--count", "8"]
    result = CliRunner().invoke(cli.app, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0
    path = tmp_path / f"{CASE}.vcd"
    assert f"waveform: {path}\n" in result.output
    assert waves.open_command(path) in result.output
