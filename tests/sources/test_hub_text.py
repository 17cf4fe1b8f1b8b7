"""Texts of the hub, with a folder in the hub's place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from plena_cosim.ground.dataset_name import HUB_NAMES
from plena_cosim.sources import TextSourceError
from plena_cosim.sources.hub_text import HUB, HubDataset, hub_text

pytestmark = pytest.mark.usefixtures("_no_hub")


def in_place_of(name: str, monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    monkeypatch.setitem(HUB, name, replace(HUB[name], **fields))


def parquet(path: Path, column: str, texts: list[str]) -> None:
    import datasets

    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict({column: texts}).to_parquet(path)


def test_every_name_has_its_place() -> None:
    assert tuple(HUB) == HUB_NAMES
    assert all(place.split.startswith("train") for place in HUB.values())


def test_a_folder_of_parquet_gives_its_training_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wikitext"
    parquet(folder / "train-0.parquet", "text", ["one", "", "two"])
    parquet(folder / "test-0.parquet", "text", ["never"])
    in_place_of("wikitext2", monkeypatch, path=str(folder), config=None)
    assert hub_text("wikitext2") == "one\n\n\n\ntwo"


def test_a_named_configuration_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wikitext"
    config = HUB["wikitext2"].config
    for name in (config, "other"):
        parquet(folder / name / "train-0.parquet", "text", [name])
    names = [f"- config_name: {n}\n  data_files: {n}/train*\n" for n in (config, "other")]
    (folder / "README.md").write_text(f"---\nconfigs:\n{''.join(names)}---\n")
    in_place_of("wikitext2", monkeypatch, path=str(folder))
    assert hub_text("wikitext2") == config


def test_pages_of_c4_are_the_first_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"text": f"page {i}", "url": "u"}) for i in range(10_050)]
    (tmp_path / "c4.json").write_text("\n".join(lines))
    in_place_of("c4", monkeypatch, data_files={"train": str(tmp_path / "c4.json")})
    pages = hub_text("c4").split("\n\n")
    assert pages == [f"page {i}" for i in range(10_000)]


def test_sentences_of_ptb_stand_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "0.parquet", "sentence", ["no it was n't", "a <unk>"])
    in_place_of("ptb", monkeypatch, data_files={"train": str(tmp_path / "0.parquet")})
    assert hub_text("ptb") == "no it was n't a <unk>"


@pytest.mark.parametrize("name", HUB)
def test_without_a_network_one_clear_error(name: str) -> None:
    with pytest.raises(TextSourceError) as error:
        hub_text(name)
    message = str(error.value)
    assert message.startswith(f"cannot load dataset '{name}' (")
    assert "from the Hugging Face hub: " in message
    assert message.endswith("; connect to a network, or give 'demo' or 'file:PATH'")
    assert "\n" not in message


def test_a_column_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "data" / "train-0.parquet", "words", ["one"])
    monkeypatch.setitem(HUB, "ptb", HubDataset(path=str(tmp_path / "data"), column="sentence"))
    with pytest.raises(
        TextSourceError, match="has no column 'sentence', only words; give 'file:PATH'"
    ):
        hub_text("ptb")
