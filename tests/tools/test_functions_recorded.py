"""Verdicts beside a stand-in for those of BFCL: `make functions-long` runs its own command."""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tools.functions_against_bfcl import ours
from tools.functions_recorded import (
    MODEL,
    Answer,
    compare,
    made_answers,
    main,
    recorded_answers,
    their_verdicts,
)

from plena_cosim.evaluate.functions.questions import Question
from plena_cosim.evaluate.results.sample_log import SampleLog

BFCL = """#!{python}
import json, os, pathlib, sys
root, model = pathlib.Path(os.environ["BFCL_PROJECT_ROOT"]), "{model}"
assert sys.argv[1:4] == ["evaluate", "--model", "google/gemma-3-1b-it"], sys.argv
assert "PYTHONPATH" not in os.environ
for path in (root / "result" / model).iterdir():
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    wrong = [{{**each, "error_type": "no"}} for each in lines if "1" not in each["result"]]
    head = {{"total_count": len(lines), "correct_count": len(lines) - len(wrong)}}
    to = root / "score" / model / "non_live" / path.name.replace("_result", "_score")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text("".join(json.dumps(each) + chr(10) for each in [head, *wrong]))
sys.exit(int("fail" in str(lines)))
"""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """A judge to whom an answer is right where it has a 1."""
    path = tmp_path / "environment" / "bin" / "bfcl"
    path.parent.mkdir(parents=True)
    path.write_text(BFCL.format(python=sys.executable, model=MODEL.replace("/", "_")))
    path.chmod(0o755)
    return path


def question(number: int, category: str = "simple_python") -> Question:
    parameters = {"type": "dict", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    return Question(
        name=f"{category}_{number}",
        category=category,
        messages=[],
        functions=[{"name": "f", "description": "F.", "parameters": parameters}],
        answers=() if category == "irrelevance" else [{"f": {"a": [1]}}],
    )


@pytest.mark.parametrize("category", ["simple_python", "irrelevance"])
def test_made_answers_are_right_and_wrong_by_turns(category: str) -> None:
    questions = [question(number, category) for number in range(40)]
    made = made_answers(questions, count=30, random_=random.Random(0))
    assert [ours(each.question, each.text) for each in made] == [True, False] * 15
    assert len({each.question.name for each in made}) == 30
    assert len({each.kind for each in made}) > 5
    assert made == made_answers(questions, count=30, random_=random.Random(0))
    assert len(made_answers(questions[:3], count=30, random_=random.Random(0))) == 3


def test_recorded_answers_are_those_of_a_run(tmp_path: Path) -> None:
    with SampleLog(tmp_path / "samples.jsonl") as log:
        log.add("simple_python_1", {"message": {"content": "[f(a=1)]"}})
        log.add("simple_python_2", {"message": {"tool_calls": []}})
    found = recorded_answers(tmp_path, [question(number) for number in range(5)])
    assert [(each.question.name, each.text) for each in found] == [
        ("simple_python_1", "[f(a=1)]"),
        ("simple_python_2", ""),
    ]


def test_a_verdict_that_differs_is_shown(command: Path, tmp_path: Path) -> None:
    texts = ("f(a=1)", "f(a=2)", "f(a=11)")
    answers = [
        Answer(question=question(number), text=text, kind="recorded" if number else "right")
        for number, text in enumerate(texts)
    ]
    answers.append(Answer(question=question(0, "irrelevance"), text="none", kind="nothing"))
    theirs = their_verdicts(command, answers, tmp_path)
    assert theirs == {
        "simple_python": {"simple_python_1": "no"},
        "irrelevance": {"irrelevance_0": "no"},
    }
    said = io.StringIO()
    rows = compare(answers, theirs, Console(file=said, width=200))
    keys = ("recorded", "made", "right", "wrong", "differ")
    assert [[row[key] for key in keys] for row in rows] == [[2, 1, 2, 1, 1], [0, 1, 0, 1, 1]]
    assert "simple_python_2, recorded: 'f(a=11)': right by BFCL, not here" in said.getvalue()
    assert "irrelevance_0, nothing: 'none': no by BFCL, not here" in said.getvalue()


def test_a_command_that_fails_is_said(command: Path, tmp_path: Path) -> None:
    answers = [Answer(question=question(0), text="fail 1", kind="right")]
    with pytest.raises(SystemExit, match="has failed"):
        their_verdicts(command, answers, tmp_path)


def test_no_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(wheel: Any, category: str) -> list[Question]:
        return [question(0, category)]

    monkeypatch.setattr("tools.functions_recorded.read_questions", read)
    monkeypatch.setattr("tools.functions_recorded.wheel_place", lambda data: tmp_path)
    said = io.StringIO()
    words = ["--recorded", str(tmp_path / "nothing"), "--json", str(tmp_path / "figures.json")]
    assert main(words, console=Console(file=said, width=300)) == 2
    assert "nothing/samples.jsonl: No such file" in said.getvalue()
    assert json.dumps(said.getvalue()).count("functions: ") == 1
