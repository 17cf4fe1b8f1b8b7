"""Costs side by side, as rows, values and a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden.isa.machine import Machine
from plena_cosim.programs.cost import ModelShape, compare, model_shape
from plena_cosim.sources.errors import TextSourceError

SMALL = ModelShape(
    hidden=128,
    heads=4,
    kv_heads=2,
    head_dim=32,
    intermediate=256,
    layers=3,
    vocabulary=1000,
)


@pytest.fixture
def sides() -> list[compare.Side]:
    sizes = {"batch": 1, "read": 64, "written": 2}
    found, missing = compare.sides_of(SMALL, Machine.load("plena.toml"), **sizes)
    assert missing == {}
    return found


def test_rows_and_values(sides) -> None:
    formulas, limits, programs = sides
    assert [side.name for side in sides] == ["plena-analytic", "roofline", "plena-emulator"]
    rows = {row[0]: row[1:] for row in compare.rows(sides, "reading")}
    assert rows.keys() == {*formulas.reading, *limits.reading, *programs.reading, "all"}
    assert rows["head"][0] == ""
    assert rows["mlp"] == [*(f"{side.reading['mlp']:,.3f}" for side in sides), "matrix unit"]
    assert rows["all"][1] == f"{limits.first_token_ms:,.3f}"
    writing = {row[0]: row[1:] for row in compare.rows(sides, "writing")}
    assert writing["mlp"][2] == f"{programs.writing['mlp']:,.3f}"
    for side, plain in zip(sides, compare.as_json(sides), strict=True):
        assert plain["first_token_ms"] == side.first_token_ms
        tokens = 1e3 / sum(side.writing.values())
        assert abs(plain["tokens_per_s"] / tokens - 1) < 1e-12


def test_a_side_that_says_nothing_has_a_reason() -> None:
    sizes = {"batch": 1, "read": 8, "written": 1}
    machine = Machine.load("plena-2048.toml")
    found, missing = compare.sides_of(model_shape("smollm2-135m"), machine, **sizes)
    assert [side.name for side in found] == ["roofline"]
    assert "a model 576 wide has no whole vector of 2048" in missing["plena-analytic"]
    assert "v_prefetch = v_writeback = BLEN = 128" in missing["plena-emulator"]


def test_pictures(tmp_path: Path, sides) -> None:
    for name, begins in (("where.png", b"\x89PNG"), ("where.svg", b"<?xml")):
        compare.draw(tmp_path / name, sides, title="a model", caveat="a caveat")
        assert (tmp_path / name).read_bytes().startswith(begins)
    with pytest.raises(TextSourceError, match=r"where.gif: pictures are .png or .svg"):
        compare.draw(tmp_path / "where.gif", sides, title="a model", caveat="a caveat")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["where.png", "where.svg"]
