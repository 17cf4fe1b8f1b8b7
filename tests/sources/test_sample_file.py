"""Token samples in a torch file, as the reference's collector writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from plena_cosim.sources import TextSourceError, calibration_set
from plena_cosim.sources.token_file import read_token_file, write_sample_file


class Tokenizer:
    def __len__(self) -> int:
        return 50

    def get_vocab(self) -> dict[str, int]:
        return {"a": 0}


def rows(count: int = 3, length: int = 8) -> torch.Tensor:
    return torch.arange(count * length).reshape(count, length)


def held(**changes: Any) -> dict[str, Any]:
    loader = [(row[None], torch.full((1, 8), -100)) for row in rows()]
    known = {"seqlen": 8, "target_nsamples": 3, "collected_samples": 3, "format_version": 1}
    return {"loader": loader, **known, **changes}


@pytest.mark.parametrize("start", ["file:", "tokens:"])
def test_samples_are_the_calibration_set(tmp_path: Path, start: str) -> None:
    path = tmp_path / "samples.pt"
    torch.save(held(), path)
    made = calibration_set(f"{start}{path}", Tokenizer(), nsamples=2, seqlen=8, seed=0)
    assert torch.equal(made.tokens, rows()[:2])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.pt"
    write_sample_file(path, rows(), target_nsamples=4)
    assert torch.equal(read_token_file(str(path))[0], rows())
    content = torch.load(path, weights_only=True)
    assert content["collected_samples"] == 3
    assert content["target_nsamples"] == 4
    assert content["loader"][0][0].shape == content["loader"][0][1].shape == (1, 8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], 'needs a dict whose "loader"'),
        (held(loader=[]), 'needs a dict whose "loader"'),
        (held(format_version=2), "format version 2, and this reads 1"),
        (held(loader=[(torch.zeros(1, 8), None)]), r"sample 0 has no input ids \(1, n\) int64"),
        (held(loader=[(torch.zeros(2, 8, dtype=torch.int64), 0)]), r"must be input ids \(1, n\)"),
        (held(loader=[(rows(1, 8), 0), (rows(1, 7), 0)]), "sample 1 has 7 tokens and sample 0 has"),
        (held(extra=Path("x")), "no torch file of token samples"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "samples.pt"
    torch.save(content, path)
    with pytest.raises(TextSourceError, match=message):
        read_token_file(str(path))


def test_sizes_have_to_be_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.pt"
    torch.save(held(), path)
    with pytest.raises(TextSourceError, match="3 samples of 8 tokens, but 3 of 16"):
        calibration_set(f"file:{path}", Tokenizer(), nsamples=3, seqlen=16, seed=0)
