"""Programs as people, and public listings, write them; and all that can be wrong in one."""

from __future__ import annotations

import contextlib
import random

import pytest

from plena_cosim.golden.isa import AssemblyError, assemble, get_revision

PLENA = get_revision("plena")


def words(text: str, **given) -> list[int]:
    return list(assemble(text, PLENA, **given).words)


@pytest.mark.parametrize(
    ("listing", "plain"),
    [
        ("V_ADD_VV gp1, gp2, gp3", "V_ADD_VV gp1, gp2, gp3, 0"),
        ("V_MUL_VF gp1, gp2, f3", "V_MUL_VF gp1, gp2, f3, 0"),
        ("V_SUB_VF gp1, gp2, f3", "V_SUB_VF gp1, gp2, f3, 0, 0"),
        ("V_SUB_VF gp1, gp2, f3, 1", "V_SUB_VF gp1, gp2, f3, 1, 0"),
        ("V_RED_MAX f1, gp2", "V_RED_MAX f1, gp2, 0"),
        ("S_LUI_INT gp1, gp0, 5", "S_LUI_INT gp1, 5"),
        ("S_LUI_INT gp1, 0, 5", "S_LUI_INT gp1, 5"),
        ("H_PREFETCH_V gp1, gp2, a0, 1, 0, 0", "H_PREFETCH_V gp1, gp2, a0, 1, 0"),
        ("C_LOOP_END gp4, 0", "C_LOOP_END gp4"),
        ("C_BREAK 0, 0, 0", "C_BREAK"),
        ("S_EXP_FP f1, f2, 0", "S_EXP_FP f1, f2"),
        ("C_BREAK;", "C_BREAK"),
        ("  c_break // done", "C_BREAK"),
        ("s_addi_int GP1,gp2,0x10", "S_ADDI_INT gp1, gp2, 16"),
        ("S_ADDI_INT\tgp1,\tgp2,\t0b11", "S_ADDI_INT gp1, gp2, 3"),
        ("S_ADDI_INT 1, 2, 3", "S_ADDI_INT gp1, gp2, 3"),
        ("V_ADD_VF 1, 2, 3", "V_ADD_VF gp1, gp2, f3"),
        ("\r\nC_BREAK\r\n", "C_BREAK"),
    ],
)
def test_forms_of_listings(listing: str, plain: str) -> None:
    assert words(listing) == words(plain)
    assert not assemble(listing, PLENA).warnings


def test_a_sixth_operand_is_dropped_with_a_word() -> None:
    made = assemble("H_STORE_V gp1, gp2, a0, 1, 0, 3", PLENA)
    assert list(made.words) == words("H_STORE_V gp1, gp2, a0, 1, 0")
    assert [w.at("a") for w in made.warnings] == [
        "a:1:31: H_STORE_V has no such operand: 3 is dropped"
    ]


def test_names_and_labels() -> None:
    program = """
    .equ ROWS, 4
    .equ BASE, ROWS * 64 + 0x10
    start: S_ADDI_INT gp1, gp0, BASE   ; 272
    again:
    here:  S_ADDI_INT gp2, gp0, end - again
           S_ADDI_INT gp3, ROWS - 4, later
    end:   C_BREAK
    .equ later, end + 1
    """
    made = assemble(program, PLENA)
    plain = "S_ADDI_INT gp1, gp0, 272\nS_ADDI_INT gp2, gp0, 2\nS_ADDI_INT gp3, gp0, 4\nC_BREAK"
    assert list(made.words) == words(plain)
    assert made.labels == {"start": 0, "again": 1, "here": 1, "end": 3}
    assert made.lines == (4, 6, 7, 8)


def test_a_line_means_the_same_wherever_it_stands() -> None:
    draw = random.Random(3)
    lines = []
    for _ in range(300):
        row = draw.choice(list(PLENA.operations.values()))
        given = ", ".join(
            (op.kind if op.kind in ("gp", "f", "a") else "") + str(draw.randrange(op.limit))
            for op in row.operands
        )
        lines.append(f"{row.name} {given}")
    lines += draw.choices(lines, k=300)
    assert words("\n".join(lines)) == [words(line)[0] for line in lines]


def test_hex_registers_of_the_public_assembler() -> None:
    assert words("S_ADD_INT gpa, gpF, gp1", upstream=True) == words("S_ADD_INT gp10, gp15, gp1")
    with pytest.raises(AssemblyError, match="'gpa' does not fit"):
        words("S_ADD_INT gpa, gpF, gp1")


BROKEN = """\
FOO gp1
V_ADD_V gp1, gp2, gp3
S_ADDI_INT gp1, gp99, 3
V_ADD_VV gp1
C_BREAK 1, 0, 0
S_ADDI_INT gp1, gp2, 262144
  V_ADD_VF gp1, gp2, gp3
S_ADDI_INT gp1, gp2, NONE
.equ A
.equ gp1, 3
x: x: C_BREAK
S_ADDI_INT gp1, gp2, -1
S_ADDI_INT gp1,,1
S_ADDI_INT gp1, gp2, 1 $
12 C_BREAK
.equ B, C
.equ C, 1
M_MM 8, gp1, gp2
V_ADD_VV gp1, gp2, gp3, 2
S_LUI_INT gp1, gp1, 5
S_LUI_INT gp1, 1 << 20
"""
WRONG = [
    "1:1: no instruction 'FOO' in revision plena",
    "2:1: no instruction 'V_ADD_V' in revision plena. Did you mean 'V_ADD_VV'?",
    "3:17: S_ADDI_INT: 'gp99' does not fit; need integer register, gp0 to gp15",
    "4:1: V_ADD_VV with 1 operand; need V_ADD_VV rd:gp, rs1:gp, rs2:gp [, mask]",
    "5:9: C_BREAK: '1' does not fit; need 0",
    "6:22: S_ADDI_INT: '262144' does not fit; need immediate, 0 to 262143",
    "7:22: V_ADD_VF: 'gp3' does not fit; need floating-point register, f0 to f7",
    "8:22: S_ADDI_INT: no name 'NONE'; need immediate, 0 to 262143",
    "9:1: need .equ NAME, expression",
    "10:6: 'gp1' is a register or an instruction; take another",
    "11:4: 'x' has a value already; a name has one",
    "12:22: S_ADDI_INT: '-1' does not fit; need immediate, 0 to 262143",
    "13:16: S_ADDI_INT: '' does not fit; need integer register, gp0 to gp15",
    "14:22: S_ADDI_INT: '1 $' is no number or expression; need immediate, 0 to 262143",
    "15:1: '12 C_BREAK' is no instruction, label or .equ",
    "16:9: no name 'C'",
    "18:6: M_MM: '8' does not fit; need number of a type, 0 to 7",
    "19:25: V_ADD_VV: '2' does not fit; need mask flag, 0 to 1",
    "20:16: S_LUI_INT: 'gp1' does not fit; need gp0",
    "21:16: S_LUI_INT: '1 << 20' does not fit; need immediate, 0 to 1048575",
]


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(BROKEN, PLENA, source="b.plena")
    assert str(caught.value).split("\n") == [f"b.plena:{line}" for line in WRONG]


def test_a_thousand_mistakes_are_a_hundred_lines() -> None:
    with pytest.raises(AssemblyError) as caught:
        words("FOO\n" * 1000)
    assert len(caught.value.problems) == 1000
    assert str(caught.value).endswith("\nprogram: and 900 more")


def test_any_text_is_a_program_or_an_error() -> None:
    draw = random.Random(5)
    pieces = ["S_ADDI_INT", "gp1", ",", " ", ":", ";", ".equ", "x", "0x", "7", "(", "<<", "\t", "é"]
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randrange(12)))
        with contextlib.suppress(AssemblyError):
            assemble(text, PLENA)
