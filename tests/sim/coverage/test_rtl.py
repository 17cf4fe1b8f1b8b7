"""Coverage of RTL: a branch that no stimulus takes is named with its line, and runs add up."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from plena_cosim.sim.coverage import rtl
from plena_cosim.sim.coverage.rtl import Point
from plena_cosim.sim.player.player import load_op
from plena_cosim.sim.verilate.model import COVERAGE

from ..toy import FORMATS, SOURCE, TOY, parameters, write_source

MULTIPLY = "y_q[lane] <= a_i[lane] * b_i;"
BRANCHED = f"begin\n if (b_i == 8'hee)\n y_q[lane] <= '0;\n else {MULTIPLY}\n end"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[rtl.Block, Path]:
    """The toy with a branch that only b = 0xee takes, built to count."""
    folder = write_source(tmp_path_factory.mktemp("toy"), SOURCE.replace(MULTIPLY, BRANCHED))
    block = load_op(TOY, FORMATS, parameters(8, 2), rtl_dir=folder, flavour=COVERAGE)
    return block, folder


def run(toy: tuple[rtl.Block, Path], b: list[int]) -> Counter[Point]:
    beats = {"a": np.zeros((len(b), 2), np.uint8), "b": np.array(b, np.uint8)}
    return rtl.play(toy[0], beats, rtl_dir=toy[1])


def test_a_branch_never_taken_is_named(toy: tuple[rtl.Block, Path]) -> None:
    line = SOURCE.replace(MULTIPLY, BRANCHED).splitlines().index(" if (b_i == 8'hee)") + 1
    missed = rtl.missed_lines(run(toy, [1, 2, 3]))
    assert f"plena_toy.sv:{line}: if never hit" in missed
    assert not any(f":{line}: if" in text for text in rtl.missed_lines(run(toy, [1, 0xEE])))


def test_a_bit_that_stands_still_is_named(toy: tuple[rtl.Block, Path]) -> None:
    counts = run(toy, [0x7F, 0, 0x7F, 0])
    toggles = {point.what: count for point, count in counts.items() if point.is_toggle}
    assert toggles["b_i[7]:0->1"] == 0
    assert toggles["b_i[6]:0->1"] > 0
    assert any("b_i[7]:0->1" in line for line in rtl.missed_toggles(counts))


def test_merging_twice_adds(toy: tuple[rtl.Block, Path], tmp_path: Path) -> None:
    once = run(toy, [1, 2, 3])
    twice = once.copy()
    twice.update(run(toy, [1, 2, 3]))
    assert twice == {point: 2 * count for point, count in once.items()}
    assert set(twice) == set(once)  # also what was never hit
    rtl.save(twice, tmp_path / "coverage-rtl.json")
    saved = json.loads((tmp_path / "coverage-rtl.json").read_text(encoding="utf-8"))
    assert len(saved["files"]["plena_toy.sv"]) == len(once)


def test_instances_of_a_file_are_one() -> None:
    def entry(path: str, what: str, count: int, where: str) -> str:
        keys = {"f": path, "l": "7", "n": "3", "t": "branch", "o": what, "h": where}
        text = "".join(f"\x01{key}\x02{value}" for key, value in keys.items())
        return f"C '{text}' {count}\n"

    text = "# SystemC::Coverage-3\n" + "".join(
        entry("/rtl/fp/plena_x.sv", what, count, where)
        for what, count, where in (("if", 2, "TOP.a"), ("if", 3, "TOP.b"), ("else", 0, "TOP.a"))
    )
    counts = rtl.parse(text, Path("/rtl"))
    taken, other = (Point("fp/plena_x.sv", 7, 3, what) for what in ("if", "else"))
    assert counts == {taken: 5, other: 0}
    assert rtl.missed_lines(counts) == ["fp/plena_x.sv:7: else never hit"]
    expected = "rtl coverage: 1 of 2 lines and branches hit (50 %); 0 of 0 toggles hit (-)"
    assert rtl.total_line(counts) == expected
