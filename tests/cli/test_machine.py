"""`plena machine`: what a file says, in a terminal of 80 columns and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.golden.isa.machine import Machine

ROOT = Path(__file__).parents[2]
MACHINES = ROOT / "tests" / "golden" / "machines"


def said(*words: str) -> str:
    found = CliRunner().invoke(app, ["machine", *words], env={"COLUMNS": "80"})
    assert found.exception is None, found.exception
    return found.output


def test_a_machine_of_ours_and_the_sizes_of_its_units() -> None:
    rows = [line.split("│") for line in said(str(ROOT / "configs/hw/plena-32.toml")).splitlines()]
    shown = {row[1].strip(): row[2].strip() for row in rows if len(row) == 4}
    assert shown["blen"] == "32"
    assert shown["vector"] == "bf16"
    assert shown["mx_mm"] == "rows 32, cols 32, depth 64"
    assert shown["mx_mv"] == "cols 64, depth 64"
    assert shown["mx_bmm"] == "heads 1, rows 32, cols 32, depth 64"


def test_what_programs_have() -> None:
    text = said(str(ROOT / "configs/hw/plena-2048.toml"))
    assert all(len(line) <= 80 for line in text.splitlines())
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    assert ["0", "mxint4, blocks of 32", "mxint8, blocks of 32"] in rows
    assert ["2", "bf16", "bf16"] in rows
    assert ["vector_rows", "65,536", "262,144.0"] in rows
    assert ["v_prefetch", "16", ""] in rows
    assert ["matrix_tiles", "64", "532,480.0"] in rows  # of 2048 x 2048 x 16.25 bits
    assert ["macs", "262,144"] in rows
    assert ["bytes of HBM a cycle", "512"] in rows
    assert ["vector_mul", "1, 5"] in rows
    found = json.loads(said("plena-2048.toml", "--json"))
    assert found["memory"]["vector_rows"] == 65536
    assert found["types"]["weight"] == "mxint4"


@pytest.mark.parametrize(
    "file", ["plena_settings.toml", "precision.svh", "configuration.svh", "", "plena-2048.toml"]
)
def test_a_machine_is_written_as_our_toml(tmp_path: Path, file: str) -> None:
    path = Path(file) if file == "plena-2048.toml" else MACHINES / file
    out = tmp_path / "own.toml"
    said(str(path), "--out", str(out))
    assert Machine.load(out) == Machine.load(path)
    left = [line for line in out.read_text().splitlines() if line.startswith("# left out: ")]
    assert [line.removeprefix("# left out: ") for line in left] == list(
        HardwareConfig.load(path).unmapped
    )


def test_machines_without_programs(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("[dimensions]\nmlen = 64\nvlen = 32\n")
    text = " ".join(said(str(tmp_path / "m.toml")).split())
    assert "no programs: " in text
    said(str(tmp_path / "m.toml"), "--out", str(tmp_path / "own.toml"))
    assert HardwareConfig.load(tmp_path / "own.toml") == HardwareConfig.load(tmp_path / "m.toml")
    assert "blen <= hlen <= mlen = vlen" in text


@pytest.mark.parametrize("file", ["plena_settings.toml", "precision.svh", "configuration.svh", ""])
def test_a_machine_of_plenas_and_what_has_no_counterpart(file: str) -> None:
    path = MACHINES / file
    text = said(str(path))
    assert all(len(line) <= 80 for line in text.splitlines())
    config = HardwareConfig.load(path)
    assert "without a counterpart here" in text
    found = json.loads(said(str(path), "--json"))
    assert found["unmapped"] == list(config.unmapped)
    assert found["unmapped"]
    assert found["dimensions"]["mlen"] == config.mlen
    assert found["matrix_unit"]["mx_mm"] == config.sizes("mx_mm")
    read_again = HardwareConfig.from_tables(
        {key: found[key] for key in config.tables()}, source="its own JSON"
    )
    assert read_again.tables() == config.tables()


def test_sizes_that_no_unit_has_are_said(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("[dimensions]\nmlen = 48\nhlen = 32\n")
    with pytest.raises(FormatError) as wrong:
        HardwareConfig.load(path).sizes("mx_bmm")
    shown = said(str(path), "--json")
    assert json.loads(shown)["matrix_unit"]["mx_bmm"] == str(wrong.value)


def test_no_machine_is_one_error(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["machine", str(tmp_path / "none.toml")])
    assert isinstance(found.exception, FormatError)
    assert "does not exist" in str(found.exception)
