"""The tables of instructions, and mistakes in them."""

from __future__ import annotations

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa import get_revision, revisions

ROW = 'X = { opcode = 0x3F, operands = "rd:gp", tier = 1 }'


def table(**changes: str) -> str:
    parts = {
        "head": 'name = "own"\nextends = "plena"',
        "fields": "",
        "rows": f"[instructions.scalar]\n{ROW}",
    } | changes
    return "\n".join(parts.values())


def test_the_package_brings_two() -> None:
    assert revisions() == ["plena", "plena-wide"]
    plena, wide = map(get_revision, revisions())
    assert len(plena.operations) == 55
    # What wide shares has the same opcode; it lacks three and has eight of its own.
    shared = plena.operations.keys() & wide.operations.keys()
    assert plena.operations.keys() - shared == {"V_MAX_VF", "V_MIN_VF", "V_TOPK"}
    assert len(wide.operations) - len(shared) == 8
    assert all(plena.operations[n].opcode == wide.operations[n].opcode for n in shared)
    assert set(plena.by_opcode) == {*range(0x01, 0x38)}
    assert set(wide.by_opcode) == {*range(0x01, 0x35), *range(0x35, 0x3D)}


@pytest.mark.parametrize("name", ["plena", "plena-wide"])
def test_no_operand_meets_another(name: str) -> None:
    revision = get_revision(name)
    for row in revision.operations.values():
        for upstream in (False, True):
            bits = 0x3F
            for operand in row.operands:
                place = row.place(operand, upstream=upstream)
                if place:
                    field = revision.fields[place]
                    here = field.put((1 << field.bits) - 1)
                    assert not bits & here, row.name
                    bits |= here
            assert bits < 1 << 32


def test_a_table_of_ones_own(tmp_path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(table())
    assert get_revision(str(path)).operations["X"].opcode == 0x3F


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 3", 'needs name = "…"'),
        ("name = ", "is not valid TOML"),
        (table(head='name = "own"\nextend = "plena"'), "no key 'extend'. Did you mean 'extends'"),
        (table(head='name = "own"\nwithout = ["A"]\nextends = "plena"'), "plena has no 'A'"),
        (table(head='name = "own"\nextends = "plane"'), "no revision .*'plane'"),
        (table(fields="[fields]\nrd = [4, 4]"), r"fields.rd = \[4, 4\]"),
        (table(fields="[fields]\nrd = [30, 4]"), r"fields.rd = \[30, 4\]"),
        (table(fields="[registers]\ngq = 4"), "registers.gq = 4"),
        (table(fields="[registers]\ngp = 17"), "17 values of gp do not fit field r"),
        (table(rows=f"[instructions.s]\n{ROW.replace('0x3F', '0x01')}"), "both have opcode 0x01"),
        (table(rows=f"[instructions.s]\n{ROW.replace('0x3F', '64')}"), "opcode = 64"),
        (table(rows=f"[instructions.s]\n{ROW.replace('tier = 1', 'tier = 4')}"), "tier = 4"),
        (table(rows=f"[instructions.s]\n{ROW.replace('rd:gp', 'rx:gp')}"), "no field 'rx'"),
        (table(rows=f"[instructions.s]\n{ROW.replace('rd:gp', 'rd:pg')}"), "kind of operand 'pg'"),
        (table(rows=f"[instructions.s]\n{ROW.replace('tier', 'teir')}"), "no key 'teir'"),
    ],
)
def test_mistakes_in_a_table_are_one_error(tmp_path, text, message) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        get_revision(str(path))


def test_a_revision_that_is_not_there(tmp_path) -> None:
    with pytest.raises(FormatError, match=r"named 'plena-wid'.*plena-wide.*Did you mean"):
        get_revision("plena-wid")
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        get_revision(str(tmp_path / "none.toml"))
