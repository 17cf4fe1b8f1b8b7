"""Programs as files: the machine that is written is the machine that they were built for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.isa.run import run_program
from plena_cosim.programs import build
from plena_cosim.programs.folder import toml, write_folder


def test_what_is_written_runs(machine, tmp_path: Path) -> None:
    built = build("softmax", machine, rows=5, columns=40)
    folder = tmp_path / "out"
    write_folder(folder, {"program": built.builder}, built.builder.image, {"name": "softmax"})
    assert Machine.load(folder / "machine.toml") == machine
    said: list[str] = []
    ended = run_program(
        folder / "program.hex",
        machine=folder / "machine.toml",
        hbm=folder / "memory.bin",
        hbm_out=tmp_path / "after.bin",
        show=said.append,
    )
    assert (ended, said) == (0, [f"{built.builder.carried_out} instructions"])
    manifest = json.loads((folder / "manifest.json").read_text())
    y = next(each for each in manifest["tensors"] if each["name"] == "y")
    left = np.fromfile(tmp_path / "after.bin", np.uint8)
    after = np.zeros(built.builder.image.end, np.uint8)
    after[: left.size] = left
    assert y["base"] == built.result.base
    assert (built.builder.image.read(built.result, after) == built.wanted).all()
    assert (manifest["name"], manifest["version"]) == ("softmax", 1)


@pytest.mark.parametrize("name", ["plena.toml", "plena-32.toml", "plena-2048.toml"])
def test_machines_come_back(name: str, tmp_path: Path) -> None:
    given = Machine.load(name)
    (tmp_path / "m.toml").write_text(toml(given.tables()))
    assert Machine.load(tmp_path / "m.toml") == given
