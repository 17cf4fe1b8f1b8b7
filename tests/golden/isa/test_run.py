"""Programs in files: run, traced, compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa import AssemblyError, assemble, get_revision
from plena_cosim.golden.isa.machine_code import LAYOUTS, machine_code
from plena_cosim.golden.isa.run import _used, run_program

PROGRAM = "C_LOOP_START gp2, 3\nS_ADD_INT gp3, gp3, gp2\nC_LOOP_END gp2\nC_BREAK\n"
MACHINE = """
[dimensions]
mlen = 16
vlen = 16
blen = 4
hlen = 16
[memory]
hbm_bytes = 64
vector_rows = 8
"""


@pytest.fixture
def run(tmp_path):
    machine = tmp_path / "machine.toml"
    machine.write_text(MACHINE)

    def call(text: str = PROGRAM, name: str = "program.plena", **given):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        shown: list[str] = []
        status = run_program(path, machine=machine, show=shown.append, **given)
        return status, shown

    return call


def test_a_program_runs_to_its_end(run) -> None:
    assert run(dump=["gp:3"]) == (0, ["8 instructions", "gp3  6"])
    assert run(most=3) == (0, ["3 instructions; not at its end"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_machine_code_runs(run, layout: str) -> None:
    words = assemble(PROGRAM, get_revision("plena")).words
    found = run(machine_code(words, layout), f"program{LAYOUTS[layout]}", dump=["gp:3"])
    assert found == (0, ["8 instructions", "gp3  6"])


def test_a_trap_is_status_3(run) -> None:
    status, shown = run("S_LD_INT gp1, gp0, 200000\nC_BREAK", dump=["gp:1"])
    assert status == 3
    assert shown == [
        "trap: word 0: S_LD_INT gp1, gp0, 200000: INT_MEM 200000 to 200000; there are 1024 (range)",
        "0 instructions",
        "gp1  0",
    ]


def test_traces_are_compared(run, tmp_path) -> None:
    first = tmp_path / "first.json"
    assert run(trace=first) == (0, ["8 instructions"])
    assert len([json.loads(line) for line in first.read_text().splitlines()]) == 8
    assert run(against=first) == (0, ["8 instructions", "the traces are equal"])
    status, shown = run(PROGRAM.replace("3\n", "2\n", 1), against=first)
    assert status == 1
    assert shown[1].startswith("the traces differ: step 0, word 0, C_LOOP_START gp2, 2: ")


def test_an_image_is_the_memory(run, tmp_path) -> None:
    image = tmp_path / "memory.bin"
    image.write_bytes(bytes(range(64)))
    assert run("C_BREAK", hbm=image, dump=["hbm:62-63"])[1][1] == "0x0000003e  3e 3f"
    image.write_bytes(bytes(65))
    with pytest.raises(FormatError, match=r"has 65 bytes; the machine has 64 \(\[memory\] hbm"):
        run("C_BREAK", hbm=image)


def test_what_cannot_be_run(run, tmp_path) -> None:
    with pytest.raises(FormatError, match=r"memory image .* cannot be read: No such file"):
        run(hbm=tmp_path / "none")
    with pytest.raises(FormatError, match=r"trace .* cannot be read: No such file"):
        run(against=tmp_path / "none")
    with pytest.raises(FormatError, match=r"cannot show 'vector:8'"):
        run(dump=["vector:8"])
    with pytest.raises(AssemblyError, match=r"program.plena:1:1: no instruction"):
        run("FOO")
    with pytest.raises(FormatError, match="disassemble it with --upstream-compat"):
        run("34", "a.hex", upstream=True)


@pytest.mark.parametrize("last", [0, 5, (1 << 20) - 1, 1 << 20, (3 << 20) - 1])
def test_memory_up_to_its_last_byte(last: int) -> None:
    memory = np.zeros(3 << 20, np.uint8)
    assert _used(memory) == 0
    memory[last] = 1
    assert _used(memory) == last + 1
