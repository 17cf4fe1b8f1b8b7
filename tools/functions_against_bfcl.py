"""`python -m tools.functions_against_bfcl`: our verdicts on calls beside those of BFCL's checker.

Each question of BFCL is answered rightly and with one mistake of every kind; both sides read the
text and judge it. BFCL's checker comes out of its wheel with stand-ins for the packages that it
imports and that judging does not use.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from plena_cosim.evaluate.chat.tool_calls import NotCallsError
from plena_cosim.evaluate.functions.decode import calls_of_text
from plena_cosim.evaluate.functions.questions import (
    CATEGORIES,
    Question,
    read_questions,
    wheel_place,
)
from plena_cosim.evaluate.functions.rules import fault_of

STAND_INS = (
    *("bfcl_eval.constants.model_config", "tenacity", "bfcl_eval.utils", "dotenv", "tqdm"),
    *(f"bfcl_eval.model_handler.parser.{name}_parser" for name in ("java", "js", "json", "xml")),
)


class _Anything(types.ModuleType):
    """A module in which every name is a function that gives itself."""

    __all__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: lambda function: function


class Theirs:
    """BFCL's decoder and checker."""

    def __init__(self, wheel: Path) -> None:
        sys.path.insert(0, str(wheel))
        for name in STAND_INS:
            sys.modules[name] = _Anything(name)
        models = types.SimpleNamespace(underscore_to_dot=False)
        sys.modules["bfcl_eval.constants.model_config"].MODEL_CONFIG_MAPPING = {  # type: ignore[attr-defined]
            "any": models
        }
        self._decode = importlib.import_module(
            "bfcl_eval.model_handler.utils"
        ).default_decode_ast_prompting
        self._check = importlib.import_module(
            "bfcl_eval.eval_checker.ast_eval.ast_checker"
        ).ast_checker
        self._python = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON

    def right(self, question: Question, text: str) -> bool | None:
        """Whether an answer is right; None: the checker itself has failed."""
        try:
            calls = self._decode(text)
        except Exception:
            calls = None
        if question.category.endswith("irrelevance"):
            return not calls
        if question.category.endswith("relevance"):
            return bool(calls)
        if calls is None:
            return False
        try:
            found = self._check(
                question.functions, calls, question.answers, self._python, question.category, "any"
            )
        except Exception:
            return None
        return bool(found["valid"])


def ours(question: Question, text: str) -> bool:
    """Whether an answer is right by our rules."""
    try:
        return fault_of(question, calls_of_text(text)) is None
    except NotCallsError:
        return fault_of(question, None) is None


def answers_of(question: Question, random_: random.Random) -> Iterator[tuple[str, str]]:
    """Give kinds of answers with their texts, the first of them right."""
    offered = question.functions[0]["name"] if question.functions else "f"
    wanted = question.answers or [{offered: {}}]
    calls = [(next(iter(each)), _values(next(iter(each.values())), random_)) for each in wanted]
    yield "right", _text(calls)
    yield "nothing", "I cannot say."
    yield "empty", "[]"
    yield "bare", _text(calls).strip("[]")
    yield "twice", _text([*calls, calls[0]])
    yield "backwards", _text(calls[::-1])
    yield "one less", _text(calls[1:])
    yield "other name", _text([("x" + calls[0][0], calls[0][1]), *calls[1:]])
    yield "more", _text([(calls[0][0], {**calls[0][1], "unheard_of": 1}), *calls[1:]])
    for place, (name, values) in enumerate(calls):
        for parameter, value in values.items():
            for kind, change in CHANGES.items():
                changed = {**values, parameter: change(value)}
                others = [*calls[:place], (name, changed), *calls[place + 1 :]]
                yield kind, _text(others)
            less = {key: each for key, each in values.items() if key != parameter}
            yield "missing", _text([*calls[:place], (name, less), *calls[place + 1 :]])


CHANGES: Mapping[str, Callable[[Any], Any]] = {
    "text": str,
    "upper case": lambda value: value.upper() if isinstance(value, str) else value,
    "with spaces": lambda value: f" {value}. " if isinstance(value, str) else value,
    "in a list": lambda value: [value],
    "tuple": lambda value: tuple(value) if isinstance(value, list) else value,
    "float": lambda value: float(value) if type(value) is int else value,
    "one more": lambda value: value + 1 if type(value) in (int, float) else value,
    "backwards list": lambda value: value[::-1] if isinstance(value, list) else value,
    "shorter list": lambda value: value[1:] if isinstance(value, list) else value,
    "other element": lambda value: [*value[:-1], 7] if isinstance(value, list) else value,
    "not": lambda value: not value if isinstance(value, bool) else value,
    "none": lambda value: None,
    "more keys": lambda value: {**value, "k": 1} if isinstance(value, dict) else value,
}


def _values(right: Mapping[str, Sequence[Any]], random_: random.Random) -> dict[str, Any]:
    """One right value for each parameter; some of those that may be left out are."""
    found = {}
    for parameter, values in right.items():
        value = random_.choice(list(values)) if values else ""
        if value == "" and "" in values:
            continue
        found[parameter] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """A listed dictionary has lists of values: one of each."""
    if isinstance(value, dict):
        listed = {
            key: each if not isinstance(each, list) else each[0] if each else ""
            for key, each in value.items()
        }
        return {key: _plain(each) for key, each in listed.items() if each != ""}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _text(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    def one(name: str, values: Mapping[str, Any]) -> str:
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in values.items())})"

    return f"[{', '.join(one(*each) for each in calls)}]"


def main(words: Sequence[str] | None = None) -> int:
    """Compare and print; 1 where a verdict differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, default=None, help="of bfcl-eval")
    given = parser.parse_args(words)
    wheel = wheel_place(given.wheel)
    theirs, random_ = Theirs(wheel), random.Random(0)
    counted: Counter[str] = Counter()
    for category in CATEGORIES:
        right = total = 0
        for question in read_questions(wheel, category):
            for kind, text in answers_of(question, random_):
                want, found = theirs.right(question, text), ours(question, text)
                total += 1
                right += found
                if want is None:
                    counted["their checker failed"] += 1
                elif want != found:
                    counted[f"differs: {kind}"] += 1
                    if counted[f"differs: {kind}"] <= 3:
                        print(f"{question.name}: {text} is {found} here, {want} there")
                else:
                    counted["equal"] += 1
        print(f"{category:24} {total:8,} answers, {right:7,} right")
    for name, count in sorted(counted.items()):
        print(f"{name:28} {count:8,}")
    return int(any(name.startswith("differs") for name in counted))


if __name__ == "__main__":
    sys.exit(main())
