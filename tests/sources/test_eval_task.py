"""Which split of a task calibration reads, and what is said when there is no such task."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.eval_task import load_task

from ..task_folder import write_task

pytestmark = pytest.mark.usefixtures("_no_hub")


def rows(split: str) -> list[dict[str, str]]:
    return [{"q": f"{split} {i}", "a": "x"} for i in range(2)]


@pytest.mark.parametrize(
    ("splits", "keys", "read", "evaluated"),
    [
        (
            ["train", "validation", "test"],
            {"training_split": "train", "validation_split": "validation", "test_split": "test"},
            "train",
            "test",
        ),
        (["dev", "test"], {"validation_split": "dev", "test_split": "test"}, "dev", "test"),
        (["train", "dev"], {"training_split": "train", "validation_split": "dev"}, "train", "dev"),
        (["dev", "train"], {"validation_split": "dev"}, "train", "dev"),
        (["aux", "train_b", "test"], {"test_split": "test"}, "train_b", "test"),
        (["extra", "test"], {"test_split": "test"}, "extra", "test"),
        (["train", "more"], {"training_split": "train", "test_split": "train"}, "more", "train"),
        (["test"], {"test_split": "test"}, "test", "test"),
    ],
)
def test_the_split_is_not_the_one_that_is_evaluated(
    tmp_path: Path, splits: list[str], keys: dict[str, str], read: str, evaluated: str
) -> None:
    write_task(tmp_path, "quiz", {split: rows(split) for split in splits}, **keys)
    part = load_task("quiz", folder=tmp_path)
    assert (part.name, part.split, part.evaluated) == ("quiz", read, evaluated)
    assert [row["q"] for row in part.documents] == [f"{read} 0", f"{read} 1"]


def test_documents_are_prepared_by_the_task(tmp_path: Path) -> None:
    (tmp_path / "prepare.py").write_text(
        "def second(rows):\n    return rows.select([1]).map(lambda row: {'q': row['q'] + '!'})\n"
    )
    data = {split: rows(split) for split in ("train", "test")}
    write_task(tmp_path, "quiz", data, training_split="train", test_split="test")
    yaml = tmp_path / "quiz.yaml"
    yaml.write_text(yaml.read_text()[:-1] + ', "process_docs": !function prepare.second}')
    assert load_task("quiz", folder=tmp_path).documents[0]["q"] == "train 1!"


def test_an_unknown_task_is_named_with_the_nearest(tmp_path: Path) -> None:
    write_task(tmp_path, "quiz", {"test": rows("test")}, test_split="test")
    with pytest.raises(TextSourceError, match=r"no task 'quizz' in .*\. Did you mean 'quiz'\?"):
        load_task("quizz", folder=tmp_path)
    with pytest.raises(TextSourceError, match=r"there is no folder of tasks '.*nowhere'"):
        load_task("quiz", folder=tmp_path / "nowhere")


def test_a_group_is_refused(tmp_path: Path) -> None:
    write_task(tmp_path, "quiz", {"test": rows("test")}, test_split="test")
    (tmp_path / "all.yaml").write_text('{"group": "quizzes", "task": ["quiz"]}')
    with pytest.raises(
        TextSourceError, match="'quizzes' is a group of tasks; give one of the tasks"
    ):
        load_task("quizzes", folder=tmp_path)


def test_data_that_cannot_be_had_is_one_clear_error(tmp_path: Path) -> None:
    write_task(tmp_path, "quiz", {"test": rows("test")}, test_split="test")
    (tmp_path / "quiz_test.json").unlink()
    with pytest.raises(TextSourceError) as error:
        load_task("quiz", folder=tmp_path)
    assert str(error.value).startswith("cannot load task 'quiz': FileNotFoundError: ")
    assert "\n" not in str(error.value)


def test_a_task_without_data_to_evaluate_on_is_one_clear_error(tmp_path: Path) -> None:
    write_task(tmp_path, "quiz", {"train": rows("train")}, training_split="train")
    with pytest.raises(TextSourceError, match="cannot load task 'quiz': "):
        load_task("quiz", folder=tmp_path)


def test_without_lm_eval_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "lm_eval.tasks", raising=False)
    with pytest.raises(TextSourceError, match=r"install plena-cosim\[eval\]"):
        load_task("quiz")
