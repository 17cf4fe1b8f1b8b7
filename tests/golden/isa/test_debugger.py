"""Programs under a debugger."""

from __future__ import annotations

import pytest

from plena_cosim.golden.isa.debugger import HELP, Debugger

from .conftest import some_rows

PROGRAM = """
    S_ADDI_INT gp1, gp0, 16
    C_LOOP_START gp2, 3
    S_ADDI_INT gp3, gp3, 1
    C_LOOP_END gp2
    V_ADD_VV gp1, gp0, gp0
    H_STORE_V gp0, gp0, a0, 0, 2
    C_BREAK
"""


@pytest.fixture
def talk(started):
    def run(*commands: str, text: str = PROGRAM) -> list[str]:
        shown: list[str] = []
        debugger = Debugger(started(text, some_rows(1)), lines={0: "begin"}, show=shown.append)
        debugger.talk(iter(commands))
        shown.append(f"trapped {debugger.trapped}")
        return shown

    return run


def test_it_begins_with_the_first_word(talk) -> None:
    assert talk("quit", "step") == [
        "      0  S_ADDI_INT gp1, gp0, 16               begin",
        "trapped False",
    ]


def test_steps_say_what_they_write(talk) -> None:
    assert talk("s", "", "step 2")[1:-1] == [
        "         gp1  16",
        "      1  C_LOOP_START gp2, 3",
        "         1 loops",
        "         gp2  3",
        "      2  S_ADDI_INT gp3, gp3, 1",
        "         gp3  1",
        "         1 loops",
        "         gp2  2",
        "      2  S_ADDI_INT gp3, gp3, 1",
    ]


def test_breaks(talk) -> None:
    shown = talk("b 3", "break 4", "run", "run", "p gp:3", "clear 3", "r", "list 2", "r", "s")
    assert shown[1:-1] == [
        "breaks: 3",
        "breaks: 3, 4",
        "3 instructions",
        "*     3  C_LOOP_END gp2",
        "2 instructions",
        "*     3  C_LOOP_END gp2",
        "gp3  2",
        "breaks: 4",
        "3 instructions",
        "*     4  V_ADD_VV gp1, gp0, gp0, 0",
        "*     4  V_ADD_VV gp1, gp0, gp0, 0",
        "      5  H_STORE_V gp0, gp0, a0, 0, 2",
        "3 instructions",
        "the program has ended",
        "the program has ended",
    ]


def test_rows_are_cut_and_bytes_counted(talk) -> None:
    shown = talk("b 4", "r", "s", "s")
    row = next(line for line in shown if line.startswith("         row 1  "))
    assert row.endswith(" …")
    assert "         hbm 0x0: 32 bytes" in shown


def test_what_cannot_be_understood(talk) -> None:
    shown = talk("stop", "step x", "print foo", "break 99", "print", "help")
    assert shown[1] == "no command 'stop'; `help` lists them. Did you mean 'step'?"
    assert shown[2] == "cannot read 'step x'; `help` lists the commands"
    assert shown[3].startswith("cannot show 'foo'; need one of gp, f, a")
    assert shown[4] == "there are words 0 to 6"
    assert shown[5] == "cannot read 'print'; `help` lists the commands"
    assert shown[6] == HELP


def test_a_trap_can_be_looked_at(talk) -> None:
    shown = talk("run", "print gp:1", text="S_ADDI_INT gp1, gp0, 8\nV_EXP_V gp1, gp1\nC_BREAK")
    assert shown[1].startswith("trap: word 1: V_EXP_V gp1, gp1, 0: vector address 8")
    assert shown[2:] == ["gp1  8", "trapped True"]
