"""Files of machine code: text as the public assembler writes it or for Verilog, or raw bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..formats import FormatError

LAYOUTS = {"hex": ".hex", "readmemh": ".mem", "raw": ".bin"}
"""Layouts and the endings of their files."""
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"(?:0x)?([0-9a-f_]{1,16})", re.IGNORECASE)


def machine_code(words: Sequence[int], layout: str = "hex") -> bytes:
    """Return the contents of a file of words.

    Args:
        words: 32 bits each.
        layout: "hex": `0x%08X` a line; "readmemh": the same without 0x, for Verilog; "raw": four
            bytes a word, the lowest first.

    >>> machine_code([0x34], "hex")
    b'0x00000034\\n'
    """
    if layout == "raw":
        return np.asarray(words, "<u4").tobytes()
    if layout not in LAYOUTS:
        raise FormatError(f"no layout {layout!r} of machine code; there are {', '.join(LAYOUTS)}")
    prefix = "0x" if layout == "hex" else ""
    return "".join(f"{prefix}{word:08X}\n" for word in words).encode()


def read_machine_code(path: Path) -> list[int]:
    """Return the words of a file; raw bytes where its name ends in .bin, else text.

    Raises:
        FormatError: it cannot be read, or holds something else; the message says on which line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"machine code {path} cannot be read: {error.strerror}") from None
    if path.suffix == ".bin":
        if len(data) % 4:
            raise FormatError(f"machine code {path} has {len(data)} bytes, not a multiple of 4")
        return [int(word) for word in np.frombuffer(data, "<u4")]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise FormatError(
            f"machine code {path} is no text; raw bytes need a name that ends in .bin"
        ) from None
    words: list[int] = []
    kept = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(kept.split("\n"), 1):
        for item in line.split():
            words.append(_word(item, len(words), f"{path}:{number}"))
    return [word for word in words if word >= 0]


def read_assembly(path: Path) -> str:
    """Return the text of a program; FormatError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"program {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"program {path} is no text: {error}") from None


def _word(item: str, index: int, where: str) -> int:
    """Return a word; -1 for the address that the next one has anyway."""
    if item.startswith("@"):
        if item.strip("@0") or index:
            raise FormatError(f"{where}: {item}: only a program from word 0 on, without gaps")
        return -1
    found = _WORD.fullmatch(item)
    value = int(found[1], 16) if found else -1
    if not 0 <= value < 1 << 32:
        raise FormatError(f"{where}: {item!r} is no 32-bit word in hexadecimal")
    return value
