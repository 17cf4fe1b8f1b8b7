"""cloze_questions: sentences of a text, each with four ends of which one is its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_CHOICES = 4
_WORDS = range(14, 33)
_SENTENCE_END = re.compile(r"(?<=[a-z)]{2}\.) (?=[A-Z])")
_PLAIN = re.compile(r"[A-Z][\w ,;'’()-]+\.")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A sentence to be finished.

    Attributes:
        beginning: its first half, without white space at the end.
        ends: what may follow, without white space before it.
        answer: the place of its own end among them.
    """

    beginning: str
    ends: list[str]
    answer: int


def cloze_questions(text: str, *, count: int) -> list[Question]:
    """Return questions about a text; the same text gives the same ones.

    A sentence is in one question, as the one to be finished or as the source of a wrong end.

    Args:
        text: paragraphs between blank lines.
        count: of questions at most; a short text gives fewer.
    """
    halves = [_halves(sentence) for sentence in _sentences(text)]
    found = []
    for place in range(0, min(count * _CHOICES, len(halves) - _CHOICES + 1), _CHOICES):
        group = halves[place : place + _CHOICES]
        beginning, end = group[0]
        ends = sorted((end for _, end in group), key=_digest)
        found.append(Question(beginning=beginning, ends=ends, answer=ends.index(end)))
    return found


def _sentences(text: str) -> list[str]:
    """Return plain sentences of a usual length, each once, mixed by their digests."""
    paragraphs = text.split("\n\n")
    found = {each for paragraph in paragraphs for each in _SENTENCE_END.split(paragraph)}
    plain = [each for each in found if _PLAIN.fullmatch(each) and len(each.split()) in _WORDS]
    return sorted(plain, key=_digest)


def _halves(sentence: str) -> tuple[str, str]:
    words = sentence.split(" ")
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
