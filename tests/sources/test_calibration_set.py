"""Samples of every kind of source, and what is said when a source cannot give them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from plena_cosim.golden import FormatError
from plena_cosim.sources import (
    CalibrationSet,
    TextSourceError,
    calibration_set,
    load_text,
    load_tokenizer,
    tokenize,
)
from plena_cosim.sources.demo_text import part
from plena_cosim.sources.hub_text import HUB, HubPart
from plena_cosim.sources.token_file import token_digest, vocabulary_digest, write_token_file

TEXT = [(i * i + 7) % 60 for i in range(100)]
"""The words of the fixture `words`, by number; the tokenizer's id is one more."""


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path):
    return load_tokenizer(str(tiny_model))


def collect(dataset: str, tokenizer, *, nsamples=3, seqlen=8, seed=0) -> CalibrationSet:
    return calibration_set(dataset, tokenizer, nsamples=nsamples, seqlen=seqlen, seed=seed)


def assert_pieces_of(found: CalibrationSet, ids: list[int]) -> None:
    """Every row is a piece of the text."""
    seqlen = found.tokens.shape[1]
    known = [ids[i : i + seqlen] for i in range(len(ids) - seqlen + 1)]
    assert all(row in known for row in found.tokens.tolist())


def test_a_text_file_gives_windows_of_its_tokens(words: Path, tokenizer) -> None:
    found = collect(f"file:{words}", tokenizer)
    assert found.tokens.shape == (3, 8)
    assert found.tokens.dtype == torch.int64
    assert_pieces_of(found, [word + 1 for word in TEXT])
    assert found.as_dict() == {
        "dataset": f"file:{words}",
        "nsamples": 3,
        "seqlen": 8,
        "seed": 0,
        "drawn_from": 100,
        "sha256": token_digest(found.tokens),
    }


def test_the_same_seed_gives_the_same_tokens(words: Path, tokenizer) -> None:
    once, again = (collect(f"file:{words}", tokenizer, seed=5) for _ in range(2))
    assert torch.equal(once.tokens, again.tokens)
    assert once.sha256 == again.sha256
    assert collect(f"file:{words}", tokenizer, seed=6).sha256 != once.sha256


@pytest.mark.usefixtures("_no_hub")
def test_the_hub_gives_windows_too(words: Path, tokenizer, tmp_path, monkeypatch) -> None:
    (tmp_path / "train.json").write_text('{"text": "w1 w2"}\n{"text": "w3 w4 w5"}\n')
    place = replace(
        HUB[HubPart.CALIBRATION]["c4"], data_files={"train": str(tmp_path / "train.json")}
    )
    monkeypatch.setitem(HUB[HubPart.CALIBRATION], "c4", place)
    found = collect("c4", tokenizer, nsamples=1, seqlen=5)
    assert found.tokens.tolist() == [[2, 3, 4, 5, 6]]


def test_a_text_that_is_too_short_or_empty_is_named(words: Path, tokenizer, tmp_path) -> None:
    message = r"dataset 'file:.*words\.txt' has 100 tokens, but 13 samples of 8 take 104; lower"
    with pytest.raises(TextSourceError, match=message):
        collect(f"file:{words}", tokenizer, nsamples=13)
    assert collect(f"file:{words}", tokenizer, nsamples=12).tokens.shape == (12, 8)
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(TextSourceError, match=r"empty\.txt' has no text to calibrate on"):
        collect(f"file:{tmp_path / 'empty.txt'}", tokenizer)


@pytest.mark.parametrize("name", ["wiki", "file:", "tokens:", "", "file", "demo:"])
def test_an_unknown_name_is_answered_with_the_known(name: str, tokenizer) -> None:
    message = (
        f"must be 'wikitext2', 'c4', 'ptb', 'demo', 'file:PATH' or 'tokens:PATH', got {name!r}"
    )
    with pytest.raises(FormatError, match=message):
        collect(name, tokenizer)


def test_a_number_below_one_is_refused(words: Path, tokenizer) -> None:
    for numbers in ({"nsamples": 0}, {"seqlen": 0}):
        with pytest.raises(FormatError, match="nsamples and seqlen must be 1 or more"):
            collect(f"file:{words}", tokenizer, **numbers)


def test_saved_samples_are_taken_as_they_are(tmp_path: Path, tokenizer) -> None:
    tokens = torch.arange(40).reshape(5, 8)
    write_token_file(tmp_path / "a", tokens, {"vocabulary": vocabulary_digest(tokenizer)})
    assert torch.equal(collect(f"tokens:{tmp_path / 'a'}", tokenizer, nsamples=5).tokens, tokens)
    found = collect(f"tokens:{tmp_path / 'a'}", tokenizer, nsamples=2, seed=9)
    assert torch.equal(found.tokens, tokens[:2])
    assert found.sha256 == token_digest(tokens[:2])


def test_a_saved_stream_is_sampled(tmp_path: Path, tokenizer) -> None:
    write_token_file(tmp_path / "a", torch.arange(50), {})
    found = collect(f"tokens:{tmp_path / 'a'}", tokenizer)
    assert_pieces_of(found, list(range(50)))
    with pytest.raises(TextSourceError, match="has 50 tokens, but 7 samples of 8 take 56"):
        collect(f"tokens:{tmp_path / 'a'}", tokenizer, nsamples=7)


@pytest.mark.parametrize("numbers", [{"nsamples": 6}, {"seqlen": 7}, {"seqlen": 9}])
def test_samples_that_are_not_saved_are_named(tmp_path: Path, tokenizer, numbers) -> None:
    write_token_file(tmp_path / "a", torch.arange(40).reshape(5, 8), {})
    with pytest.raises(
        TextSourceError, match=r"holds 5 samples of 8 tokens, but \d of \d are asked"
    ):
        collect(f"tokens:{tmp_path / 'a'}", tokenizer, **numbers)


@pytest.mark.parametrize("wrong", [-1, 61])
def test_tokens_outside_the_vocabulary_are_named(tmp_path: Path, tokenizer, wrong: int) -> None:
    tokens = torch.full((3, 8), 60)
    write_token_file(tmp_path / "good", tokens, {})
    assert collect(f"tokens:{tmp_path / 'good'}", tokenizer).drawn_from == 24
    tokens[2, 3] = wrong
    write_token_file(tmp_path / "bad", tokens, {})
    with pytest.raises(
        TextSourceError, match=r"are not within the tokenizer's vocabulary, 0 … 60;"
    ):
        collect(f"tokens:{tmp_path / 'bad'}", tokenizer)


def test_tokens_of_another_tokenizer_are_named(tmp_path: Path, tokenizer) -> None:
    other = {"vocabulary": "0" * 64, "model": "other/model"}
    write_token_file(tmp_path / "a", torch.ones(3, 8, dtype=torch.int64), other)
    with pytest.raises(
        TextSourceError, match="collected with model 'other/model', whose tokenizer"
    ):
        collect(f"tokens:{tmp_path / 'a'}", tokenizer)


def test_the_demo_is_parted_between_articles() -> None:
    sample = ["a" * 149_999, "ü" * 25_000, "c" * 10, "d"]
    evaluation, rest = part(sample)
    assert evaluation == "a" * 149_999 + "\n\n" + "ü" * 24_999
    assert rest == "c" * 10 + "\n\nd"
    assert part(["x" * 200_000, "y"]) == ("x" * 200_000, "y")
    assert part(["x" * 199_999, "y", "z"])[1] == "z"


@pytest.mark.demo
def test_the_demo_calibrates_on_nothing_that_it_evaluates() -> None:
    tokenizer = load_tokenizer("demo")
    evaluation = load_text("demo")
    sample = calibration_set("demo", tokenizer, nsamples=128, seqlen=2048, seed=0)
    assert sample.drawn_from > 500_000
    assert not pieces(tokenize(tokenizer, evaluation)) & pieces(sample.tokens.flatten())


def pieces(tokens: torch.Tensor) -> set[tuple[int, ...]]:
    """All pieces of 32 tokens: long enough that two texts share none by chance."""
    ids = tokens.tolist()
    return {tuple(ids[i : i + 32]) for i in range(len(ids) - 31)}
