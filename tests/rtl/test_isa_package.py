"""The packages of instructions take the words that golden decodes, and no others."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from plena_cosim.docs.isa_package import PACKAGES, files
from plena_cosim.golden.isa import DecodeError, decode, encode, get_revision
from plena_cosim.sim.verilate.toolchain import find_toolchain


def words_of(name: str) -> list[int]:
    """Return words with every operand at its limits, with a bit more or less, and any words."""
    revision, draw = get_revision(name), random.Random(7)
    found = {draw.getrandbits(32) for _ in range(500)} | set(range(64))
    for row in revision.operations.values():
        lowest = [0] * len(row.operands)
        highest = [operand.limit - 1 for operand in row.operands]
        for values in (lowest, highest):
            word = encode(revision, row, values)
            found |= {word, *(word ^ 1 << bit for bit in range(32))}
    return sorted(found)


def tier_of(name: str, word: int) -> int:
    try:
        return decode(get_revision(name), word).operation.tier
    except DecodeError:
        return 0


def lint(package: str, checks: list[tuple[int, int]], folder: Path) -> str:
    """Return what Verilator says of checks of words and tiers, 0 of words that are none."""
    lines = [
        f"  if ((plena_isa_pkg_::legal(32'h{word:08X}) ? "
        f"plena_isa_pkg_::tier(6'(32'h{word:08X} & 32'h3F)) : 2'd0) != 2'd{tier})\n"
        f'    $error("{word:08X}");'
        for word, tier in checks
    ]
    text = "module t;\n" + "\n".join(lines).replace("plena_isa_pkg_", package) + "\nendmodule\n"
    (folder / "t.sv").write_text(text)
    given = [next(path for path in files() if path.stem == package), folder / "t.sv"]
    command = [*find_toolchain().verilator, "--lint-only", "--top-module", "t", *given]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    return made.stderr if made.returncode else ""


@pytest.mark.parametrize("name", PACKAGES)
def test_the_same_words(name: str, tmp_path: Path) -> None:
    checks = [(word, tier_of(name, word)) for word in words_of(name)]
    assert {tier for _, tier in checks} == {0, 1, 2, 3}
    assert lint(PACKAGES[name], checks, tmp_path) == ""


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    word = 0x0000C062
    assert tier_of("plena", word) == 1
    assert "0000C062" in lint("plena_isa_pkg", [(word, 2)], tmp_path)
