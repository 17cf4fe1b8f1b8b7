"""The tables of 2^f: the committed package is what the generator writes, and that is right."""

from __future__ import annotations

import re
from pathlib import Path

import mpmath

from plena_cosim.sim.generate import exp2_tables


def test_committed_package_is_fresh() -> None:
    assert exp2_tables.PATH.read_text(encoding="utf-8") == exp2_tables.text(), (
        "run python -m plena_cosim.sim.exp2_tables"
    )


def test_main_writes_the_package(tmp_path: Path) -> None:
    path = tmp_path / "gen" / "plena_exp2_pkg.sv"
    exp2_tables.main(path)
    assert path.read_text(encoding="utf-8") == exp2_tables.text()


def test_entries_against_mpmath() -> None:
    entries = re.findall(r"6'd(\d+): entry = 60'h([0-9a-f]+);", exp2_tables.text())
    assert len(entries) == 5 * 63
    with mpmath.workprec(200):
        for place, (index, entry) in enumerate(entries):
            x = mpmath.mpf(int(index)) / 64 ** (place // 63 + 1)
            assert int(entry, 16) == int(mpmath.floor((2**x - 1) * 2**60)), (place, index)
