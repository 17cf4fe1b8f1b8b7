"""Documents of a task follow one another in random order, until there are enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError, load_tokenizer
from plena_cosim.sources.eval_task import TaskSplit, load_task
from plena_cosim.sources.task_tokens import task_tokens

from ..task_folder import write_task

pytestmark = pytest.mark.usefixtures("_no_hub")

END = 60


@pytest.fixture
def part(tmp_path: Path) -> TaskSplit:
    """Forty documents of three words: twice the number, and the number."""
    rows = [{"q": f"w{i} w{i}", "a": f"w{i}"} for i in range(40)]
    data = {"train": rows, "test": [{"q": "w50", "a": "w50"}]}
    write_task(tmp_path, "quiz", data, training_split="train", test_split="test")
    return load_task("quiz", folder=tmp_path)


def tokens(part: TaskSplit, tiny_model: Path, n: int, length: int, seed: int, *, end: bool) -> list:
    tokenizer = load_tokenizer(str(tiny_model))
    if end:
        tokenizer.eos_token = f"w{END - 1}"
    return task_tokens(part, tokenizer, nsamples=n, seqlen=length, seed=seed).tolist()


@pytest.mark.parametrize("end", [True, False])
def test_documents_are_whole_and_in_random_order(part, tiny_model: Path, end: bool) -> None:
    length = 40 * 3 + 39 * end
    (row,) = tokens(part, tiny_model, 1, length, 0, end=end)
    pieces = [row[i : i + 3] for i in range(0, length, 3 + end)]
    assert all(piece == [piece[0]] * 3 for piece in pieces)
    order = [piece[0] - 1 for piece in pieces]
    assert sorted(order) == list(range(40))
    assert order != list(range(40))
    assert row[3::4] == [END] * 39 or not end


def test_the_seed_decides(part, tiny_model: Path) -> None:
    first, again, other = (tokens(part, tiny_model, 4, 8, seed, end=True) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert all(len(row) == 8 for row in first)


def test_no_more_documents_are_read_than_needed(part, tiny_model: Path, monkeypatch) -> None:
    read = []
    honest = part.task.doc_to_target
    monkeypatch.setattr(part.task, "doc_to_target", lambda row: read.append(row) or honest(row))
    tokens(part, tiny_model, 2, 6, 0, end=False)
    assert len({row["a"] for row in read}) == 4


def test_too_few_documents_are_counted(part, tiny_model: Path) -> None:
    message = "split 'train' of task 'quiz' has 159 tokens, but 20 samples of 8 take 160"
    with pytest.raises(TextSourceError, match=message):
        tokens(part, tiny_model, 20, 8, 0, end=True)
