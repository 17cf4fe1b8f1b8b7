"""Lines of a run, and where two runs part."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plena_cosim.golden.isa.trace import Trace, first_difference

from .conftest import some_rows

PROGRAM = """
    S_ADDI_INT gp1, gp0, 16
    V_ADD_VV gp1, gp0, gp0
    H_PREFETCH_M gp0, gp0, a0, 0, 0
    C_LOOP_START gp2, 2
    H_STORE_V gp0, gp0, a0, 0, 2
    C_LOOP_END gp2
    C_BREAK
"""


@pytest.fixture
def traced(started):
    def trace(text: str = PROGRAM, seed: int = 0) -> list[str]:
        made = started(text, some_rows(1, seed))
        writer, lines = Trace(made), []
        while not made.state.halted:
            lines.append(writer.step())
        return lines

    return trace


def test_a_line_a_step(traced) -> None:
    lines = [json.loads(line) for line in traced()]
    assert [line["pc"] for line in lines] == [0, 1, 2, 3, 4, 5, 4, 5, 6]
    assert lines[0]["writes"] == [["gp", 1, 16], ["pc", 0, 1]]
    assert lines[1]["writes"][0][:2] == ["vector", 1]
    assert lines[3]["writes"][0] == ["loops", 0, [[2, 2, 4]]]
    assert lines[4]["writes"][0] == ["hbm", 0, some_rows(1)[0].astype("<u2").tobytes().hex()]
    assert len({line["hash"] for line in lines}) == len(lines)


def test_what_is_read(traced) -> None:
    lines = [json.loads(line) for line in traced()]
    assert lines[0]["reads"] == [["gp", 0, 0]]
    assert lines[1]["reads"][:3] == [["gp", 1, 16], ["gp", 0, 0], ["gp", 0, 0]]
    assert lines[1]["reads"][3:] == [["vector", 0, 1], ["vector", 0, 1]]
    assert ["hbm", 0, 16] in lines[2]["reads"]
    assert ["vector", 0, 4] in lines[4]["reads"]


def test_equal_runs_are_equal(traced) -> None:
    assert first_difference(traced(), traced()) is None
    assert traced() == traced()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gp0, 16", "gp0, 32", "step 0, word 0, S_ADDI_INT gp1, gp0, 16: the second is at word 0"),
        ("C_BREAK", "S_ADDI_INT gp1, gp0, 1\nC_BREAK", "step 8, word 6, C_BREAK: the second is at"),
        ("2\n    H_STORE", "1\n    H_STORE", "step 3, word 3, C_LOOP_START gp2, 2: the second"),
    ],
)
def test_programs_that_part(traced, old: str, new: str, message: str) -> None:
    assert old in PROGRAM
    found = first_difference(traced(), traced(PROGRAM.replace(old, new)))
    assert found is not None
    assert found.startswith(message)


def test_values_that_part(traced) -> None:
    ours, theirs = traced(), traced(seed=1)
    doubled = [(2 * row[0]) for row in (some_rows(1), some_rows(1, 1))]
    assert not np.array_equal(*doubled)
    found = first_difference(ours, theirs)
    assert found is not None
    assert found.startswith("step 1, word 1, V_ADD_VV gp1, gp0, gp0, 0: vector 1, element 0: ")


def test_a_run_that_ends_before_the_other(traced) -> None:
    lines = traced()
    assert first_difference(lines, lines[:-1]) == "step 8: C_BREAK (word 6): the second has ended"
    assert first_difference(lines[:-1], lines) == (
        "the first has ended; the second is at word 6, C_BREAK"
    )


def test_other_writes(traced) -> None:
    lines = traced()
    changed = json.loads(lines[0])
    changed["writes"][0][1] = 2
    assert first_difference(lines, [json.dumps(changed), *lines[1:]]) == (
        "step 0, word 0, S_ADDI_INT gp1, gp0, 16: writes gp 1, the second gp 2"
    )
    changed["writes"] = changed["writes"][1:]
    found = first_difference(lines, [json.dumps(changed), *lines[1:]])
    assert found is not None
    assert found.endswith("writes gp 1, the second pc 0")
