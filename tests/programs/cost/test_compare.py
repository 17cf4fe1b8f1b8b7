"""Costs side by side, as rows, values and a picture."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.golden.isa.machine import Machine
from plena_cosim.programs.cost import analytic, compare, model_shape, roofline


def sides() -> list[compare.Side]:
    sizes = {"batch": 1, "read": 64, "written": 2}
    shape, machine = model_shape("llama-3.2-1b"), Machine.load("plena-2048.toml")
    return [
        compare.of_analytic(analytic(shape, machine, **sizes)),
        compare.of_roofline(roofline(shape, machine, **sizes)),
    ]


def test_rows_and_values() -> None:
    both = sides()
    rows = {row[0]: row[1:] for row in compare.rows(both)}
    assert rows.keys() == set(both[0].reading) | set(both[1].reading)
    assert rows["head"][0] == rows["head"][2] == ""
    assert rows["mlp"][0] == f"{both[0].reading['mlp']:,.3f}"
    assert rows["mlp"][-1] == "HBM"
    for side, plain in zip(both, compare.as_json(both), strict=True):
        assert plain["first_token_ms"] == side.first_token_ms
        tokens = 1e3 / sum(side.writing.values())
        assert abs(plain["tokens_per_s"] / tokens - 1) < 1e-12


def test_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "where.png"
    compare.draw(path, sides(), title="a model", caveat="a caveat")
    assert path.read_bytes().startswith(b"\x89PNG")
