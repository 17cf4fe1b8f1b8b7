"""Machines that can run programs, from files, and machines that cannot."""

from __future__ import annotations

import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.golden.isa.machine import Machine, contains

FILE = """
m_mm_requantise = true
[dimensions]
mlen = 32
vlen = 32
blen = 8
hlen = 16
[formats]
vector = "bf16"
[transfer]
v_prefetch = 2
v_writeback = 16
[memory]
vector_rows = 100
loop_depth = 7
[types]
weight = { name = "mxfp4_e2m1", block_size = 16 }
kv = { name = "mxint4", block_size = 16, scale_rule = "even" }
wide = { name = "mxint16", block_size = 16 }
activation = { name = "mxint8", block_size = 16 }
half = "fp16"
"""


def test_a_machine_of_a_file(tmp_path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(FILE)
    machine = Machine.load(path)
    assert [type_.name for type_ in machine.types(weights=True)] == [
        "mxfp4_e2m1",
        "mxint4",
        "bf16",
        "mxint16",
        "fp16",
    ]
    assert machine.types(weights=False)[0].name == "mxint8"
    assert machine.kv.scale_rule.value == "even"
    assert (machine.prefetch_rows, machine.store_rows) == (2, 16)
    assert (machine.memories.vector_rows, machine.memories.loop_depth) == (100, 7)
    assert machine.m_mm_requantise
    assert HardwareConfig.load(path) == machine.hardware


def test_shipped_machines_run_programs() -> None:
    machine = Machine.load("plena-32.toml")
    assert machine.hardware == HardwareConfig.load("plena-32.toml")
    assert (machine.prefetch_rows, machine.store_rows) == (32, 32)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("blen = 8", "blen = 6", "powers of two; got blen = 6"),
        ("vlen = 32", "vlen = 64", "blen <= hlen <= mlen = vlen; got blen = 8, hlen = 16, mlen"),
        ("hlen = 16", "hlen = 4", "blen <= hlen <= mlen = vlen"),
        ('vector = "bf16"', 'vector = "fp32"', "a vector format of up to 16 bits; got fp32"),
        ('vector = "bf16"', 'reduction = "fp16"', "vector format bf16 in registers of the reduc"),
        ("vector_rows = 100", "vector_rows = 0", "[memory] vector_rows = 0; need a positive"),
        ("vector_rows", "vector_row", "unknown key 'vector_row' in [memory]"),
        ("v_prefetch = 2", "v_prefetch = 0", "[transfer] v_prefetch = 0"),
        ("v_prefetch", "v_fetch", "unknown key 'v_fetch' in [transfer]"),
        (
            'name = "mxfp4_e2m1", block_size = 16',
            'name = "bf16"',
            "the weights' type must be an MX",
        ),
        ('"mxint16", block_size = 16', '"mxint16", block_size = 12', "a power of two that divides"),
        ('"mxint16", block_size = 16', '"mxint16", block_size = 64', "a power of two that divides"),
        ('"mxint16", block_size = 16', '"mxint3", block_size = 4', "no whole number of bytes"),
        ('"mxint16", block_size', '"mxint16", scale_bits = 4, block_size', "must have 8 bits"),
        ('half = "fp16"', 'b = "fp16"\n' * 1 + "".join(f'c{i} = "fp16"\n' for i in range(4)), "8"),
    ],
)
def test_machines_that_cannot(tmp_path, old: str, new: str, message: str) -> None:
    path = tmp_path / "own.toml"
    assert old in FILE
    path.write_text(FILE.replace(old, new))
    with pytest.raises(FormatError) as caught:
        Machine.load(path)
    assert str(caught.value).startswith(f"hardware config {path}: ")
    assert message in str(caught.value)


def test_which_formats_hold_others() -> None:
    names = ("bf16", "fp16", "fp32", "e4m3", "e5m2", "e2m1")
    held = {
        (wide, narrow)
        for wide in names
        for narrow in names
        if contains(golden.get_format(wide), golden.get_format(narrow))
    }
    assert {(n, n) for n in names} <= held
    assert {("fp32", n) for n in names} <= held
    assert ("fp16", "bf16") not in held
    assert ("bf16", "fp16") not in held
    assert ("fp16", "e5m2") in held
    assert ("e4m3", "e5m2") not in held
    assert ("e2m1", "e4m3") not in held
