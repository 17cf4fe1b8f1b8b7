"""Words become assembly that becomes the same words."""

from __future__ import annotations

import pytest

from plena_cosim.golden.isa import AssemblyError, assemble, disassemble, get_revision, listing
from plena_cosim.golden.isa.disassembler import written

PLENA = get_revision("plena")
PROGRAM = """\
; sums of rows
C_LOOP_START gp4, 8
again: V_ADD_VV gp1, gp2, gp3
C_LOOP_END gp4

C_BREAK
"""


def test_bodies_of_loops_stand_further_right() -> None:
    made = assemble(PROGRAM, PLENA)
    found = list(written(disassemble(made.words, PLENA)))
    assert found == [
        "C_LOOP_START gp4, 8",
        "  V_ADD_VV gp1, gp2, gp3, 0",
        "C_LOOP_END gp4",
        "C_BREAK",
    ]
    assert assemble("\n".join(found), PLENA).words == made.words


def test_every_word_that_is_none_is_said() -> None:
    with pytest.raises(AssemblyError) as caught:
        disassemble([0x34, 0, 0x3F, 0x34], PLENA, source="a.hex")
    assert str(caught.value).split("\n") == [
        "a.hex:2: 0x00000000: opcode 0x00 is none of plena",
        "a.hex:3: 0x0000003f: opcode 0x3f is none of plena",
    ]


def test_a_listing_has_every_line() -> None:
    assert (
        listing(assemble(PROGRAM, PLENA), PROGRAM)
        == """\
                  ; sums of rows
     0  0000212F  C_LOOP_START gp4, 8
     1  0000C84D  again: V_ADD_VV gp1, gp2, gp3
     2  00000130  C_LOOP_END gp4

     3  00000034  C_BREAK
"""
    )
