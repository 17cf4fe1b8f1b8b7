"""Files of words."""

from __future__ import annotations

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa.machine_code import (
    LAYOUTS,
    machine_code,
    read_assembly,
    read_machine_code,
)

WORDS = [0x0000C062, 0xFFFFFFFF, 0x34]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_is_read(tmp_path, layout: str) -> None:
    path = tmp_path / f"program{LAYOUTS[layout]}"
    for words in (WORDS, []):
        path.write_bytes(machine_code(words, layout))
        assert read_machine_code(path) == words


def test_the_layouts() -> None:
    assert machine_code(WORDS[:1]) == b"0x0000C062\n"
    assert machine_code(WORDS[:1], "readmemh") == b"0000C062\n"
    assert machine_code(WORDS[:1], "raw") == bytes([0x62, 0xC0, 0, 0])
    with pytest.raises(FormatError, match="no layout 'elf'"):
        machine_code(WORDS, "elf")


def test_what_readmemh_allows(tmp_path) -> None:
    path = tmp_path / "a.mem"
    path.write_text("// a\n@0\n0000_c062 /* b\n */ ffffffff\n\n34 // c")
    assert read_machine_code(path) == WORDS


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.hex", b"34\nzz\n", r"a.hex:2: 'zz' is no 32-bit word"),
        ("a.hex", b"34\n123456789\n", r"a.hex:2: '123456789' is no 32-bit word"),
        ("a.hex", b"/*\n*/ @4 34", "a.hex:2: @4: only a program from word 0 on"),
        ("a.hex", b"34 @0 35", "a.hex:1: @0: only a program from word 0 on"),
        ("a.hex", b"\xff\xfe", "is no text; raw bytes need a name that ends in .bin"),
        ("a.bin", b"12345", "has 5 bytes, not a multiple of 4"),
    ],
)
def test_what_is_no_machine_code(tmp_path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_machine_code(path)


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        read_machine_code(tmp_path / "a.hex")
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        read_assembly(tmp_path)
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(FormatError, match="is no text"):
        read_assembly(tmp_path / "a")
