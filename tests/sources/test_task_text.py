"""Prompt and answer of every kind of task, as lm-eval puts them to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.eval_task import TaskSplit, load_task
from plena_cosim.sources.task_text import document_text

from ..task_folder import write_task

pytestmark = pytest.mark.usefixtures("_no_hub")

ROW = {
    "q": "Two and two?",
    "a": "four",
    "choices": ["three", "four"],
    "label": 1,
    "all": ["4", "5"],
}
CHOICE = {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": "label"}


def task(folder: Path, row: dict[str, Any], **keys: Any) -> TaskSplit:
    splits = {"training_split": "train", "test_split": "test"}
    write_task(folder, "quiz", {"train": [row], "test": [ROW]}, **splits, **keys)
    return load_task("quiz", folder=folder)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "Two and two? four"),
        ({"target_delimiter": "\n"}, "Two and two?\nfour"),
        ({"description": "Count.\n"}, "Count.\nTwo and two? four"),
        ({"gen_prefix": "It is"}, "Two and two? It is four"),
        ({"doc_to_target": "all"}, "Two and two? 4"),
        ({"output_type": "loglikelihood", "doc_to_target": " {{a}}"}, "Two and two? four"),
        ({"output_type": "loglikelihood_rolling", "doc_to_text": ""}, "four"),
        (CHOICE, "Two and two? four"),
        (CHOICE | {"doc_to_target": "{{label}}"}, "Two and two? four"),
        (CHOICE | {"doc_to_target": "a"}, "Two and two? four"),
        (CHOICE | {"doc_to_choice": ["A", "B"], "target_delimiter": ""}, "Two and two?B"),
        (CHOICE | {"doc_to_text": "label", "doc_to_target": "is right"}, "four is right"),
    ],
)
def test_the_answer_follows_the_prompt(tmp_path: Path, keys: dict[str, Any], text: str) -> None:
    assert document_text(task(tmp_path, ROW, **keys), 0) == text


@pytest.mark.parametrize("label", [-1, 2])
def test_a_hidden_answer_is_named(tmp_path: Path, label: int) -> None:
    part = task(tmp_path, ROW | {"label": label}, **CHOICE)
    with pytest.raises(
        TextSourceError, match="task 'quiz', document 0 of split 'train': cannot make"
    ):
        document_text(part, 0)
