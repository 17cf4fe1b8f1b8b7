"""Words of instructions, against words that were computed by hand from the layout."""

from __future__ import annotations

import random

import pytest

from plena_cosim.golden.isa import DecodeError, assemble, decode, encode, get_revision

BY_HAND = {
    "plena": {
        "S_ADDI_INT gp1, gp0, 3": 0x0000C062,
        "M_MM_WO gp1, gp2, 16": 0x00040846,
        "V_ADD_VV gp1, gp2, gp3, 1": 0x0004C84D,
        "V_SUB_VF gp2, gp1, f3, 0, 1": 0x0040C490,
        "C_LOOP_START gp4, 8": 0x0000212F,
        "C_LOOP_END gp4": 0x00000130,
        "C_SET_ADDR_REG a1, gp0, gp2": 0x0000806B,
        "H_PREFETCH_V gp1, gp2, a0, 0, 0": 0x00000869,
        "S_LUI_INT gp1, 5": 0x00001465,
        "M_BTMM 0, gp0, gp3": 0x0000C004,
        "S_MAP_V_FP gp1, gp0, 4": 0x00010060,
        "C_BREAK": 0x00000034,
        "V_EXP_V gp2, gp1, 1": 0x00040493,
        "M_TMM 3, gp1, gp2": 0x000084C2,
        "V_SHFT_V gp1, gp2, gp3, 6": 0x0018C872,
        "H_PREFETCH_M gp1, gp2, a3, 9, 9": 0x0264C868,
        "H_STORE_V gp1, gp2, a3, 1, 2": 0x0084C86A,
        "V_RED_SUM f2, gp1, 1": 0x00040495,
        "M_BMM_WO gp3, 16": 0x000400C5,
    },
    "plena-wide": {
        "S_ADDI_INT gp29, gp0, 2048": 0x08000762,
        "C_LOOP_START gp15, 2": 0x000013EF,
        "S_SLLI_INT gp17, gp16, 10": 0x000A8477,
        "S_SLL_INT gp15, gp29, gp16": 0x0010EBF6,
        "S_SRLI_INT gp14, gp12, 3": 0x000363B9,
        "V_RED_SUM f1, gp26, 1": 0x0020D055,
        "H_PREFETCH_V gp24, gp23, a0, 1, 0": 0x0020BE29,
        "S_LUI_INT gp29, 18432": 0x02400765,
    },
}
UPSTREAM = {
    "V_EXP_V gp2, gp1, 1": 0x00004493,
    "V_RECI_V gp2, gp1, 1": 0x00004494,
    "V_RED_MAX f2, gp1, 1": 0x00004496,
    "V_RED_SUM f2, gp1, 1": 0x00000495,
    "M_BMM_WO gp3, 16": 0x000040C5,
    "M_MV_WO gp3, 16": 0x000040CB,
    "M_BMV_WO gp3, 16": 0x000040CC,
    "V_ADD_VV gp1, gp2, gp3, 1": 0x0004C84D,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_words_by_hand(name: str) -> None:
    revision = get_revision(name)
    for text, word in BY_HAND[name].items():
        assert assemble(text, revision).words == (word,), text
        assert str(decode(revision, word)) == text


def test_words_of_the_public_assembler() -> None:
    plena = get_revision("plena")
    for text, word in UPSTREAM.items():
        assert assemble(text, plena, upstream=True).words == (word,), text


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("upstream", [False, True])
def test_every_instruction_at_every_limit(name: str, upstream: bool) -> None:
    revision = get_revision(name)
    for row in revision.operations.values():
        ends = [(0, operand.limit - 1) for operand in row.operands]
        for choice in range(1 << len(ends)):
            values = tuple(pair[choice >> i & 1] for i, pair in enumerate(ends))
            word = encode(revision, row, values, upstream=upstream)
            kept = [
                value if row.place(operand, upstream=upstream) else 0
                for operand, value in zip(row.operands, values, strict=True)
            ]
            found = decode(revision, word, upstream=upstream)
            assert (found.operation.name, list(found.values)) == (row.name, kept)
            if not upstream:
                assert assemble(str(found), revision).words == (word,)


@pytest.mark.parametrize("name", BY_HAND)
def test_any_word_is_an_instruction_or_an_error(name: str) -> None:
    revision = get_revision(name)
    draw = random.Random(7)
    right = 0
    for _ in range(20_000):
        row = draw.choice(list(revision.operations.values()))
        word = draw.getrandbits(32) & (revision.used(row) | 1 << draw.randrange(32))
        word = word & ~0x3F | draw.choice([row.opcode, word & 0x3F])
        try:
            found = decode(revision, word)
        except DecodeError:
            continue
        right += 1
        assert encode(revision, found.operation, found.values) == word
    assert right > 2_000


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (0x00000000, "opcode 0x00 is none of plena"),
        (0x0000003F, "opcode 0x3f is none of plena"),
        (0x00000074, "C_BREAK does not use bits 0x00000040"),
        (0x8000C84D, "V_ADD_VV does not use bits 0x80000000"),
        (0x0008C84D, "V_ADD_VV: 2 is no mask flag, 0 to 1"),
        (0x00000201, "M_MM: 8 is no number of a type, 0 to 7"),
        (0x0000022B, "C_SET_ADDR_REG: 8 is no address register, a0 to a7"),
        (0x40000025, "S_LUI_INT: 1048576 is no immediate, 0 to 1048575"),
    ],
)
def test_what_is_none(word: int, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(get_revision("plena"), word)


def test_bits_that_are_not_used_are_not_looked_at_upstream() -> None:
    assert str(decode(get_revision("plena"), 0xFFFFFFF4, upstream=True)) == "C_BREAK"


def test_an_operand_by_its_place() -> None:
    found = decode(get_revision("plena"), 0x0000C062)
    assert (found["rd"], found["imm"]) == (1, 3)
    with pytest.raises(KeyError):
        found["rs3"]
