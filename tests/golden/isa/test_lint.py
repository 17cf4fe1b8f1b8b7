"""What looks wrong in programs, and programs that are right."""

from __future__ import annotations

import pytest

from plena_cosim.golden.isa import assemble, get_revision
from plena_cosim.golden.isa.lint import lint

from .test_interpreter import LINEAR

FETCH = "H_PREFETCH_V gp0, gp0, a0, 0, 2\n"  # rows 0 to 3


@pytest.fixture
def found(machine):
    def run(text: str, *, revision: str = "plena", **given) -> list[tuple[int, str]]:
        table = get_revision(revision)
        words = assemble(text, table).words
        return [(f.word, f.message) for f in lint(words, table, machine, **given)]

    return run


def test_a_right_program_has_none(found) -> None:
    setup = "S_ADDI_INT gp7, gp0, 64\nH_PREFETCH_V gp7, gp0, a0, 0, 2\n"
    text = f".equ BITS, 4\n.equ TYPE, 0\n{FETCH}{setup}{LINEAR}C_BREAK"
    assert found(text) == []


WRONG = [
    ("V_EXP_V gp0, gp0", 0, "reads vector row 0, which nothing has written"),
    ("H_STORE_V gp0, gp0, a0, 0, 2", 0, "reads vector row 3, which nothing has written"),
    (
        FETCH + "M_TMM 0, gp0, gp0\nM_MM_WO gp0, gp0, 0",
        1,
        "reads tile 0, which nothing has fetched",
    ),
    (
        "C_SET_SCALE_REG gp1\nC_SET_ADDR_REG a1, gp0, gp1\nH_PREFETCH_V gp0, gp0, a1, 0, 0",
        2,
        "SCALE was not set since a1 was",
    ),
    (
        "C_SET_ADDR_REG a1, gp0, gp1\nH_PREFETCH_V gp0, gp0, a1, 1, 2",
        1,
        "STRIDE was not set since a1 was",
    ),
    (
        FETCH + "C_SET_SCALE_REG gp0\nH_PREFETCH_M gp0, gp0, a0, 0, 0\nS_ADDI_INT gp1, gp0, 4\n"
        "M_TMM 0, gp0, gp1\nM_MM_WO gp0, gp0, 0",
        4,
        "tile offset 4 counts elements; column block c of a tile is at c * BLEN * MLEN = c * 64",
    ),
    (
        "C_LOOP_START gp1, 2\nC_LOOP_START gp2, 2\nC_LOOP_END gp1\nC_LOOP_END gp2",
        2,
        "ends the loop of gp1, but the innermost is that of gp2",
    ),
    ("C_LOOP_END gp1", 0, "ends a loop that has not begun"),
    (
        "C_LOOP_START gp1, 2\nS_ADDI_INT gp1, gp1, 1\nC_LOOP_END gp1",
        1,
        "writes gp1, which counts a loop around it",
    ),
    (FETCH + "V_EXP_V gp0, gp0, 1", 1, "has the mask flag, but V_MASK is 0: no lane takes part"),
    ("S_ADDI_INT gp0, gp0, 1", 0, "writes gp0, which stays 0"),
    ("S_ADD_FP f0, f1, f1", 0, "writes f0, which stays 0"),
    (FETCH + "V_RED_SUM f0, gp0", 1, "writes f0, which stays 0"),
    ("S_ADDI_INT gp1, gp0, 61 * 16\nH_PREFETCH_V gp1, gp0, a0, 0, 2", 1, "vector rows 61 to 64"),
    ("S_ADDI_INT gp1, gp0, 1024\nH_PREFETCH_M gp1, gp0, a0, 0, 2", 1, "tile 4; there are 4"),
    ("S_ADDI_INT gp1, gp0, 8\nV_EXP_V gp1, gp1", 1, "vector address 8 is no multiple of VLEN"),
    ("S_LD_FP f1, gp0, 64", 0, "FP_MEM 64 to 64; there are 64"),
    ("S_ST_INT gp1, gp0, 32", 0, "INT_MEM 32 to 32; there are 32"),
    ("M_MM_WO gp0, gp0, 0", 0, "nothing has been accumulated since the last write-out"),
    (
        FETCH + "C_SET_SCALE_REG gp0\nH_PREFETCH_M gp0, gp0, a0, 0, 0\nM_TMM 0, gp0, gp0\n"
        "S_ADDI_INT gp1, gp0, 64\nM_TMM 0, gp0, gp1\nM_MM_WO gp0, gp0, 0",
        5,
        "adds block 64 of a tile to sums of block 0, which nobody has written",
    ),
    (
        FETCH + "C_SET_SCALE_REG gp0\nH_PREFETCH_M gp0, gp0, a0, 0, 0\nM_TMM 0, gp0, gp0",
        4,
        "the program ends with sums that no M_MM_WO has written",
    ),
    ("C_LOOP_START gp1, 2", 1, "the program ends within 1 loops"),
    ("V_PS_V gp0, gp0, gp0", 0, "V_PS_V is of tier 3: it traps"),
    ("H_PREFETCH_V gp0, gp0, a0, 0, 5", 0, "type 5; the machine has types 0 to 3"),
]


@pytest.mark.parametrize(("text", "word", "message"), WRONG)
def test_what_looks_wrong(found, text: str, word: int, message: str) -> None:
    hits = [at for at, said in found(f"{text}\nC_BREAK") if said.startswith(message)]
    assert hits == [word]


def test_loops_are_walked_and_said_once(found) -> None:
    text = """
        C_LOOP_START gp2, 70
        V_EXP_V gp1, gp1
        S_ADDI_INT gp1, gp1, 16
        C_LOOP_END gp2
        C_BREAK
    """
    messages = [message for _, message in found(text)]
    assert len(messages) == 64 + 6
    assert messages.count("reads vector row 63, which nothing has written") == 1
    assert "vector rows 69 to 69; there are 64" in messages


def test_what_memory_brings_is_not_known(found) -> None:
    text = FETCH + "S_LD_INT gp1, gp0, 0\nV_EXP_V gp0, gp1\nC_BREAK"
    assert found(text) == []
    known = "S_ADDI_INT gp2, gp0, 8\nS_ST_INT gp2, gp0, 0\n" + text
    assert [message for _, message in found(known)] == [
        "vector address 8 is no multiple of VLEN = 16"
    ]


def test_programs_without_an_end(found) -> None:
    assert found("S_ADDI_INT gp1, gp0, 1") == [(0, "the program ends without C_BREAK")]
    text = "C_LOOP_START gp1, 1000\nC_LOOP_END gp1\nC_BREAK"
    assert found(text) == []
    assert found(text, most=100)[0][1] == "not looked at further: 100 instructions were walked"
