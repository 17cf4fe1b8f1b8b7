"""A fault goes into a copy of the RTL, at the one place where its text stands, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sim.verilate.fault import Fault
from plena_cosim.sim.verilate.rtl_files import RtlNotFoundError

TEXT = "assign y = a & b;\nassign z = b;\n"


def rtl(folder: Path) -> Path:
    made = folder / "mine"
    (made / "fp").mkdir(parents=True)
    for name in ("one.sv", "other.sv"):
        (made / "fp" / name).write_text(TEXT, encoding="utf-8")
    return made


def test_the_copy_has_the_fault_and_nothing_else_changes(tmp_path: Path) -> None:
    mine = rtl(tmp_path)
    copy = Fault("fp/one.sv", "a & b", "a | b").write(tmp_path, rtl_dir=mine)
    assert copy == tmp_path / "rtl"
    assert (copy / "fp/one.sv").read_text() == TEXT.replace("a & b", "a | b")
    assert (copy / "fp/other.sv").read_text() == (mine / "fp/one.sv").read_text() == TEXT


@pytest.mark.parametrize(("old", "count"), [("no such text", 0), ("assign", 2)])
def test_text_that_does_not_stand_once_is_an_error(tmp_path: Path, old: str, count: int) -> None:
    with pytest.raises(
        RtlNotFoundError, match=f"^'{old}' stands {count} times in fp/one.sv, not once"
    ):
        Fault("fp/one.sv", old, "").write(tmp_path, rtl_dir=rtl(tmp_path))
    assert not (tmp_path / "rtl").exists()
