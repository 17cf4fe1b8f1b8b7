"""Tokenizers by the name of their model, and what is said when there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError, load_tokenizer, token_bytes, tokenize


def test_a_folder_gives_its_tokenizer_without_the_model(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.glob("tokenizer*"):
        shutil.copy(file, tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    ids = tokenize(tokenizer, "w3 w1 nothing w2")
    assert ids.dtype.is_signed
    assert ids.tolist() == [4, 2, 0, 3]
    assert tokenize(tokenizer, "w3 w1 w2", limit=2).tolist() == [4, 2]


def test_a_missing_tokenizer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = (
        r"cannot load the tokenizer of model '.*nowhere': .*give a folder with tokenizer\.json"
    )
    with pytest.raises(TextSourceError, match="nowhere': there is no such folder"):
        load_tokenizer(str(tmp_path / "nowhere"))
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(TextSourceError, match=message):
        load_tokenizer(str(tmp_path / "nowhere"))


def test_a_file_as_model_is_named(words: Path) -> None:
    with pytest.raises(TextSourceError, match="is a file; give the folder that holds config"):
        load_tokenizer(str(words))


def test_the_bytes_of_tokens_are_those_of_the_text(tiny_model: Path) -> None:
    text = " w3  w1 nöthing w2\n"
    tokenizer = load_tokenizer(str(tiny_model))
    assert token_bytes(tokenizer, text) == [5, 3, 9, 3]
    assert token_bytes(tokenizer, "") == []
    tokenizer.__class__ = type("Slow", (type(tokenizer),), {"is_fast": False})
    assert token_bytes(tokenizer, text) is None


def test_characters_of_several_tokens_count_once() -> None:
    text = "Ærøskøbing — 日本語 🙂🙃 naïve\n\n  x"
    tokenizer = load_tokenizer("demo")
    sizes = token_bytes(tokenizer, text)
    assert sizes is not None
    assert len(sizes) == len(tokenize(tokenizer, text))
    assert sum(sizes) == len(text.encode())
    assert 0 in sizes
