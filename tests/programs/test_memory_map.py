"""What a program keeps where, and its picture."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.programs import Builder, build
from plena_cosim.programs.memory_map import draw


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


def test_a_picture(machine, tmp_path: Path) -> None:
    builder = build("attention", machine, rows=5, columns=32, block=16).builder
    draw(tmp_path / "map.png", builder, title="attention")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
