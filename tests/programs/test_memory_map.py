"""What a program keeps where, and its picture."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.programs import PROGRAMS, Builder, build
from plena_cosim.programs.memory_map import draw, kept, tensors, used


def test_what_is_kept(machine) -> None:
    b = Builder(machine)
    b.rows(2, "for good")
    with b.part("inside"):
        b.S_ADDI_INT(1, 0, 1)
        with b.lifetime():
            b.rows(3, "first")
        assert b.rows(4, "second") == 2 * 16
        b.S_ADDI_INT(1, 0, 1)
        b.keep_tiles(1, 2, "weight")
    b.S_ADDI_INT(1, 0, 1)
    found = [(each.memory, each.name, each.first, each.count) for each in b.kept]
    assert found == [
        ("vector", "for good", 0, 2),
        ("vector", "inside.first", 2, 3),
        ("vector", "inside.second", 2, 4),
        ("matrix", "inside.weight", 1, 2),
    ]
    lines = [(each.begin, each.end) for each in b.kept]
    assert lines == [(0, 4), (2, 2), (2, 3), (3, 3)]


def test_nothing_is_kept_twice(machine) -> None:
    """No two parts of a layer's program hold a row of vector memory at the same time."""
    sizes = {"rows": 21, "columns": 64, "outputs": 96, "block": 16, "kv_heads": 2}
    kept = build("decoder_layer", machine, **sizes).builder.kept
    assert {each.memory for each in kept} == {"vector", "matrix"}
    vector = [each for each in kept if each.memory == "vector"]
    for number, one in enumerate(vector):
        for other in vector[:number]:
            apart = one.begin >= other.end or other.begin >= one.end
            beside = one.first >= other.first + other.count or other.first >= one.first + one.count
            assert apart or beside, (one, other)
    assert max(each.first + each.count for each in vector) <= machine.memories.vector_rows


def test_what_is_used_and_listed(machine) -> None:
    builder = build("linear", machine, rows=5, columns=20, outputs=40).builder
    listed = {row[0]: row[1:] for row in tensors(builder.image)}
    # 48 x 32 elements of 4 bits and a scale a block of 8; 8 x 48 of bf16.
    assert listed["w"] == (listed["w"][0], f"{48 * 32 * 5 // 8}", "40 x 20 mxint4")
    assert listed["y"] == (listed["y"][0], f"{8 * 48 * 2}", "5 x 40 bf16")
    rows = list(kept(builder))
    assert [row[:3] for row in rows] == [
        ("inputs", "vector", "0-7"),
        ("outputs", "vector", "8-11"),
        ("weight", "matrix", "0-1"),
    ]
    lines = builder.text.count("\n")
    assert all(row[3].endswith(f"-{lines - 1}") for row in rows)  # all but C_BREAK
    assert used(builder) == {
        "bytes of HBM": (builder.image.end, 1 << 20),
        "rows of vector memory": (12, 256),
        "tiles of matrix memory": (2, 4),
    }


def test_everything_that_is_kept_has_a_name(machine) -> None:
    sizes = {"rows": 21, "columns": 64, "outputs": 96, "block": 16, "kv_heads": 2}
    for name in PROGRAMS:
        for each in build(name, machine, **sizes).builder.kept:
            assert each.name.rpartition(".")[2], (name, each)


def test_pictures(machine, tmp_path: Path) -> None:
    for name, begins in (("map.png", b"\x89PNG"), ("map.svg", b"<?xml")):
        builder = build("attention", machine, rows=5, columns=32, block=16).builder
        draw(tmp_path / name, builder, title="attention")
        assert (tmp_path / name).read_bytes().startswith(begins)
    draw(tmp_path / "empty.png", Builder(machine), title="nothing")
