"""What every RTL file has: its licence, and words for each port."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plena_cosim.sim.verilate.rtl_files import RTL_DIR

FILES = sorted(RTL_DIR.glob("*/*.sv"))
PORT = re.compile(r"^  (?:input|output) +logic\b.*$", re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_names_its_licence(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["// SPDX-License-Identifier: Apache-2.0", "//"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_port_has_a_comment(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ports = PORT.findall(text)
    assert bool(ports) == (f"module {path.stem}" in text)
    assert [port for port in ports if not re.search(r" // \S", port)] == []
