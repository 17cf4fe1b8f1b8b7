"""Texts of the hub, with a folder in the hub's place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from plena_cosim.ground.dataset_name import HUB_NAMES
from plena_cosim.sources import TextSourceError, load_text
from plena_cosim.sources.hub_text import HUB, HubDataset, HubPart, hub_rows, hub_text

pytestmark = pytest.mark.usefixtures("_no_hub")

CALIBRATION, EVALUATION, DOCUMENTS = HubPart


def in_place_of(
    name: str, part: HubPart, monkeypatch: pytest.MonkeyPatch, **fields: object
) -> None:
    monkeypatch.setitem(HUB[part], name, replace(HUB[part][name], **fields))


def parquet(path: Path, column: str, texts: list[str]) -> None:
    import datasets

    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict({column: texts}).to_parquet(path)


def test_every_name_has_its_place() -> None:
    assert tuple(HUB[CALIBRATION]) == HUB_NAMES
    assert tuple(HUB[EVALUATION]) == HUB_NAMES
    assert set(HUB[DOCUMENTS]) <= set(HUB_NAMES)
    for part, places in HUB.items():
        for place in places.values():
            assert place.split.startswith("train") == (part is CALIBRATION)
            for split, address in (place.data_files or {}).items():
                assert place.split.partition("[")[0] == split
                assert split in address


@pytest.mark.parametrize(
    ("part", "text"), [(CALIBRATION, "one\n\n\n\ntwo"), (EVALUATION, "three\n\nfour")]
)
def test_a_folder_of_parquet_gives_the_part_that_is_asked_for(
    part: HubPart, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wikitext"
    parquet(folder / "train-0.parquet", "text", ["one", "", "two"])
    parquet(folder / "validation-0.parquet", "text", ["never"])
    parquet(folder / "test-0.parquet", "text", ["three", "four"])
    in_place_of("wikitext2", part, monkeypatch, path=str(folder), config=None)
    assert hub_text("wikitext2", part) == text


@pytest.mark.parametrize(
    ("part", "split"), [(CALIBRATION, "train"), (EVALUATION, "test"), (DOCUMENTS, "test")]
)
def test_a_named_configuration_is_taken(
    part: HubPart, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wikitext"
    config, column = HUB[part]["wikitext2"].config, HUB[part]["wikitext2"].column
    for name in (config, "other"):
        parquet(folder / str(name) / f"{split}-0.parquet", column, [str(name)])
    names = [
        f"- config_name: {n}\n  data_files:\n  - split: {split}\n    path: {n}/{split}*\n"
        for n in (config, "other")
    ]
    (folder / "README.md").write_text(f"---\nconfigs:\n{''.join(names)}---\n")
    in_place_of("wikitext2", part, monkeypatch, path=str(folder))
    assert hub_text("wikitext2", part) == config


@pytest.mark.parametrize(
    ("part", "split", "joint", "count"),
    [(CALIBRATION, "train", "\n\n", 10_000), (EVALUATION, "validation", " ", 1_100)],
)
def test_pages_of_c4_are_the_first_ones(
    part: HubPart,
    split: str,
    joint: str,
    count: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [json.dumps({"text": f"page-{i}", "url": "u"}) for i in range(count + 50)]
    (tmp_path / "c4.json").write_text("\n".join(lines))
    in_place_of("c4", part, monkeypatch, data_files={split: str(tmp_path / "c4.json")})
    assert hub_text("c4", part) == joint.join(f"page-{i}" for i in range(count))


def test_documents_of_c4_are_all_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [f"page {i}" for i in range(1_200)]
    (tmp_path / "c4.json").write_text("\n".join(json.dumps({"text": page}) for page in pages))
    in_place_of("c4", DOCUMENTS, monkeypatch, data_files={"validation": str(tmp_path / "c4.json")})
    assert hub_rows("c4", DOCUMENTS) == pages


@pytest.mark.parametrize(("part", "split"), [(CALIBRATION, "train"), (EVALUATION, "test")])
def test_sentences_of_ptb_stand_in_one_line(
    part: HubPart, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "0.parquet", "sentence", ["no it was n't", "a <unk>"])
    in_place_of("ptb", part, monkeypatch, data_files={split: str(tmp_path / "0.parquet")})
    assert hub_text("ptb", part) == "no it was n't a <unk>"


@pytest.mark.parametrize("name", HUB_NAMES)
def test_a_text_to_evaluate_on_is_not_the_calibration_text(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in (CALIBRATION, EVALUATION):
        parquet(tmp_path / part / "0.parquet", "text", [part])
        place = HubDataset(path=str(tmp_path / part))
        monkeypatch.setitem(HUB[part], name, place)
    assert load_text(name) == "evaluation"


@pytest.mark.parametrize(("part", "name"), [(part, name) for part in HUB for name in HUB[part]])
def test_without_a_network_one_clear_error(part: HubPart, name: str) -> None:
    with pytest.raises(TextSourceError) as error:
        hub_text(name, part)
    message = str(error.value)
    assert message.startswith(f"cannot load dataset '{name}' (")
    assert "from the Hugging Face hub: " in message
    other = "'file:PATH'" if part is CALIBRATION else "a file"
    assert message.endswith(f"; connect to a network, or give 'demo' or {other}")
    assert "\n" not in message


def test_a_column_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "data" / "train-0.parquet", "words", ["one"])
    place = HubDataset(path=str(tmp_path / "data"), column="sentence")
    monkeypatch.setitem(HUB[CALIBRATION], "ptb", place)
    with pytest.raises(
        TextSourceError, match="has no column 'sentence', only words; give 'demo' or 'file:PATH'"
    ):
        hub_text("ptb", CALIBRATION)
