"""Questions about a text: which sentence ends how."""

from __future__ import annotations

import pytest

from plena_cosim.evaluate.harness.cloze import cloze_questions
from plena_cosim.evaluate.harness.demo_tasks import cloze

SENTENCES = [
    f"Sentence {name} has {' '.join(['many words'] * 6)} and it ends with {name}."
    for name in ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
]
TEXT = " ".join(SENTENCES[:5]) + "\n\nHeading\n\nToo short. " + " ".join(SENTENCES[5:])


def test_a_question_has_its_own_end_and_those_of_three_others() -> None:
    found = cloze_questions(TEXT, count=9)
    assert len(found) == 2
    used = []
    for each in found:
        assert f"{each.beginning} {each.ends[each.answer]}" in SENTENCES
        assert len(set(each.ends)) == 4
        used += each.ends
    assert len(set(used)) == 8  # no sentence is in two


def test_the_same_text_gives_the_same_questions() -> None:
    found = cloze_questions(TEXT, count=2)
    assert found == cloze_questions(TEXT + " " + SENTENCES[3], count=2)
    assert found[:1] == cloze_questions(TEXT, count=1)
    assert [each.answer for each in found] == [3, 0]
    assert cloze_questions("Too short.", count=2) == []


@pytest.mark.demo
def test_no_question_of_the_demo_is_one_that_calibration_reads() -> None:
    found = cloze(pretrained="demo", version=1.0)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 100, "test": 100}
    train, test = ({end for row in found[split] for end in row["ends"]} for split in found)
    assert not train & test
    answers = [row["answer"] for row in found["test"]]
    assert [answers.count(each) for each in range(4)] == [27, 27, 28, 18]
    assert found["test"][0]["beginning"].startswith("The albedo is an important concept")
