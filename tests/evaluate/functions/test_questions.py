"""Questions and words out of a wheel that is never installed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from plena_cosim.evaluate.functions.prompt import Wording, as_text, as_tools
from plena_cosim.evaluate.functions.questions import (
    CATEGORIES,
    named_categories,
    read_questions,
    wheel_place,
)
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError


def test_questions_have_their_answers(wheel: Path) -> None:
    one, two = read_questions(wheel, "simple_python")
    assert (one.name, two.name) == ("simple_python_0", "simple_python_1")
    assert one.answers == [{"math.add": {"a": [1], "b": [2]}}]
    assert read_questions(wheel, "irrelevance")[0].answers == ()


def test_categories() -> None:
    assert named_categories(["simple", "parallel", "simple_python"]) == [
        "simple_python",
        "parallel",
    ]
    assert named_categories(["all"]) == list(CATEGORIES)
    with pytest.raises(FormatError, match=r"no category 'web'.* irrelevance"):
        named_categories(["web"])
    with pytest.raises(FormatError, match="simple_java asks for values in the notation"):
        named_categories(["simple_java"])


def test_words_are_the_wheel_s(wheel: Path) -> None:
    wording = Wording.of_wheel(wheel)
    assert wording.hint == " In Python."
    question = read_questions(wheel, "simple_python")[1]
    system, user = as_text(question, wording)
    assert system["content"].startswith(
        "You call. Call.\nAs [f(a=1)]. \nGo on.\nFunctions in json:"
    )
    assert '"description": "Does say. In Python."' in system["content"]
    assert user == {"role": "user", "content": "w3 w4"}
    assert question.functions[0]["description"] == "Does say."


def test_tools_have_types_of_json(wheel: Path) -> None:
    question = read_questions(wheel, "simple_python")[0]
    messages, [tool], names = as_tools(question, Wording.of_wheel(wheel))
    assert names == {"math_add": "math.add"}
    assert tool["function"]["name"] == "math_add"
    assert tool["function"]["parameters"] == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    }
    assert [each["role"] for each in messages] == ["user"]


def test_foreign_files(tmp_path: Path, wheel: Path) -> None:
    text = tmp_path / "text.whl"
    text.write_text("no archive")
    with pytest.raises(TextSourceError, match=r"text\.whl is not a wheel of bfcl-eval"):
        wheel_place(text)
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a", "b")
    assert wheel_place(other) == other
    with pytest.raises(TextSourceError, match="has no questions of parallel"):
        read_questions(other, "parallel")
    with pytest.raises(TextSourceError, match="has no words"):
        Wording.of_wheel(other)
    with pytest.raises(TextSourceError, match="has no questions of multiple"):
        read_questions(wheel, "multiple")
