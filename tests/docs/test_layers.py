"""The map of packages: the picture of layers and the tables of rooms are what the code says."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.docs import layers, rooms
from plena_cosim.docs.generated import between
from plena_cosim.docs.layers import Stack, stacks, svg

RENEW = "run `plena rooms --write`"
SVG = "{http://www.w3.org/2000/svg}"
CONTRACTS = {
    "contracts": [
        {"type": "layers", "layers": ["plena_cosim.cli", "plena_cosim.golden"]},
        {"type": "forbidden", "source_modules": ["plena_cosim.golden"]},
        {
            "type": "layers",
            "containers": ["plena_cosim.passes", "plena_cosim.sim"],
            "layers": ["top", "left | (rotation_search)", "a : b"],
        },
    ]
}


def test_the_picture_is_fresh() -> None:
    assert layers.DOCUMENT.read_text(encoding="utf-8") == layers.renewed(), RENEW


def test_the_tables_are_fresh() -> None:
    readme = rooms.README.read_text(encoding="utf-8")
    assert readme == rooms.renewed_readme(readme), RENEW
    architecture = rooms.ARCHITECTURE.read_text(encoding="utf-8")
    assert architecture == rooms.renewed_architecture(architecture), RENEW


def test_every_layer_contract_is_a_stack() -> None:
    inside = (("top",), ("left", "rotation_search"), ("a, b",))
    assert stacks(CONTRACTS) == [
        Stack(title="plena_cosim", rows=(("cli",), ("golden",))),
        Stack(title="passes", rows=inside),
        Stack(title="sim", rows=inside),
    ]


def test_names_fit_their_boxes_and_boxes_do_not_touch() -> None:
    drawn = ElementTree.fromstring(svg(stacks(CONTRACTS) * 4))
    size = float(drawn.get("width", "0")), float(drawn.get("height", "0"))
    boxes = [
        tuple(float(box.get(key, "0")) for key in ("x", "y", "width", "height"))
        for box in drawn.iter(f"{SVG}rect")
        if box.get("class") == "box"
    ]
    names = [text.text or "" for text in drawn.iter(f"{SVG}text") if not text.get("class")]
    assert len(boxes) == len(names) == 4 * (2 + 4 + 4)
    for (x, y, width, height), name in zip(boxes, names, strict=True):
        assert width >= 7.4 * len(name) + 10
        assert 0 < x < x + width < size[0]
        assert 0 < y < y + height < size[1]
    for one, (x, y, width, height) in enumerate(boxes):
        for left, top, _, _ in boxes[one + 1 :]:
            assert not (x <= left < x + width and y <= top < y + height)


def test_every_room_says_what_it_is() -> None:
    found = [room for package in rooms.packages() for room in (package, *package.rooms)]
    assert {"golden", "sim/player", "src/plena_cosim/passes/recipe"} <= {r.folder for r in found}
    assert not [room.folder for room in found if not room.what]


def test_the_command_renews_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [(rooms, "README"), (rooms, "ARCHITECTURE"), (layers, "DOCUMENT")]
    fresh = {}
    for module, name in documents:
        text = getattr(module, name).read_text(encoding="utf-8")
        fresh[tmp_path / name] = text
        (tmp_path / name).write_text(text.replace("attention", "intention"), encoding="utf-8")
        monkeypatch.setattr(module, name, tmp_path / name)
    layers.DOCUMENT.write_text("", encoding="utf-8")
    assert CliRunner().invoke(app, ["rooms", "--write"]).stdout.count("renewed") == 3
    for path, text in fresh.items():
        restored = path.read_text(encoding="utf-8")
        assert (
            restored.partition(rooms.BEGIN)[2].partition(rooms.END)[0]
            == (text.partition(rooms.BEGIN)[2].partition(rooms.END)[0])
        )
    assert layers.DOCUMENT.read_text(encoding="utf-8") == fresh[layers.DOCUMENT]
    assert CliRunner().invoke(app, ["rooms", "--write"]).stdout.count("fresh") == 3


@pytest.mark.parametrize("text", ["no markers", "BEGIN only", "END only"])
def test_a_lost_marker_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"has lost its marker '(BEGIN|END)'; put it back"):
        between(text, "BEGIN", "END", "body")
    assert between("a BEGIN b END c", "BEGIN", "END", "x") == "a BEGIN\nx\nEND c"
