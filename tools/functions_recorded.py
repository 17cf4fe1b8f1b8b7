"""`make functions-long`: what `bfcl evaluate` says of recorded answers, beside our verdicts.

The answers are those of a run of `plena eval functions`, and others that are made of BFCL's right
ones: half of them are right, half have a mistake. BFCL's own command, from the package bfcl-eval in
an environment of its own with all that it pins, judges the same texts; nothing of it is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plena_cosim.evaluate.functions.questions import (
    WHEEL,
    Question,
    named_categories,
    read_questions,
    wheel_place,
)
from plena_cosim.evaluate.record import write_json
from plena_cosim.evaluate.results.sample_log import read_samples
from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.record import environment
from plena_cosim.ground.scratch_folder import scratch_folder
from plena_cosim.ground.write_whole import write_whole

from .functions_against_bfcl import answers_of, ours
from .fuzz.mutate import mutated

REQUIREMENTS = (WHEEL.requirement, "soundfile")
"""qwen-agent, which bfcl-eval needs, imports soundfile and does not say so."""
MODEL = "google/gemma-3-1b-it"
"""A name that bfcl knows, whose answers it reads as text, by its default reader."""
_HUGE = re.compile(r"\d{300}")
"""Where a float is declared, BFCL's checker ends with an OverflowError at such an integer."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer to a question.

    Attributes:
        question: that was asked.
        text: what was answered.
        kind: "recorded", or how it was made.
    """

    question: Question
    text: str
    kind: str


def recorded_answers(folder: Path, questions: Iterable[Question]) -> list[Answer]:
    """Return the answers of a run of `plena eval functions --style text`.

    Args:
        folder: of the run.
        questions: that may have been asked.

    Raises:
        TextSourceError: there is no such run.
    """
    samples = read_samples(folder / "samples.jsonl")
    return [
        Answer(
            question=each,
            text=samples[each.name]["message"].get("content") or "",
            kind="recorded",
        )
        for each in questions
        if each.name in samples
    ]


def made_answers(
    questions: Sequence[Question], *, count: int, random_: random.Random
) -> list[Answer]:
    """Return answers by turns right and wrong by our rules, each to a question of its own.

    Args:
        questions: of one category.
        count: answers; fewer where there are not as many questions.
        random_: what draws questions and mistakes.
    """
    made: list[Answer] = []
    for question in random_.sample(questions, len(questions)):
        if len(made) == count:
            break
        known = list(answers_of(question, random_))
        texts = (mutated(known[0][1].encode(), random_) for _ in range(8))
        known += [("mutated", text.decode(errors="replace")) for text in texts]
        wanted = len(made) % 2 == 0
        fit = [
            each
            for each in known
            if not _HUGE.search(each[1]) and ours(question, each[1]) == wanted
        ]
        if fit:
            kind, text = random_.choice(fit)
            made.append(Answer(question=question, text=text, kind=kind))
    return made


def bfcl(folder: Path, console: Console) -> Path:
    """Return BFCL's command in an environment of its own, which is made where it is missing.

    Args:
        folder: of the environment.
        console: where is said that this takes a while.

    Raises:
        SystemExit: pip cannot install it; what it says is above.
    """
    command = folder / "bin" / "bfcl"
    if not command.exists():
        console.print(f"installing {WHEEL.requirement} and all that it needs into {folder} (6 GB)")
        venv.create(folder, with_pip=True, clear=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *REQUIREMENTS]
        if subprocess.run(install, env=_clean(), check=False).returncode:
            raise SystemExit(f"functions: pip cannot install {WHEEL.requirement}; see above")
    return command


def their_verdicts(
    command: Path, answers: Sequence[Answer], folder: Path
) -> Mapping[str, Mapping[str, str]]:
    """Return why answers are wrong, by category and question, as `bfcl evaluate` says.

    Args:
        command: BFCL's.
        answers: one a question.
        folder: where its files go.

    Returns:
        For each category that was judged, the kind of error of each answer that is wrong.

    Raises:
        SystemExit: the command fails.
    """
    name = MODEL.replace("/", "_")
    results: dict[str, list[str]] = {}
    for each in answers:
        line = json.dumps({"id": each.question.name, "result": each.text})
        results.setdefault(each.question.category, []).append(line + "\n")
    for category, lines in results.items():
        write_whole(folder / "result" / name / f"BFCL_v4_{category}_result.json", "".join(lines))
    words = ["evaluate", "--model", MODEL, "--test-category", ",".join(results), "--partial-eval"]
    done = subprocess.run(
        [str(command), *words],
        env={**_clean(), "BFCL_PROJECT_ROOT": str(folder), "OPENAI_API_KEY": "-"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"functions: bfcl {' '.join(words)} has failed:\n{done.stderr[-3000:]}")
    found: dict[str, dict[str, str]] = {}
    for category, lines in results.items():
        [path] = (folder / "score" / name).rglob(f"BFCL_v4_{category}_score.json")
        head, *wrong = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        if head["total_count"] != len(lines) or head["correct_count"] + len(wrong) != len(lines):
            raise SystemExit(f"functions: bfcl has judged {head} of {len(lines)} answers")
        found[category] = {each["id"]: str(each.get("error_type")) for each in wrong}
    return found


def _clean() -> dict[str, str]:
    """Return the environment without what leads another Python to our packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def compare(
    answers: Sequence[Answer], theirs: Mapping[str, Mapping[str, str]], console: Console
) -> list[dict[str, object]]:
    """Print both sides' verdicts, and return them by category.

    Args:
        answers: that were judged.
        theirs: why answers are wrong, by category and question.
        console: where they are printed.

    Returns:
        For each category answers, those recorded, right and wrong by BFCL, and how many differ.
    """
    rows: list[dict[str, object]] = []
    table = Table(
        title=f"Verdicts on {len(answers)} answers, ours and those of {WHEEL.requirement}"
    )
    for header in ("category", "recorded", "made", "right", "wrong", "differ"):
        table.add_column(header, justify="left" if header == "category" else "right")
    for category, wrong in theirs.items():
        these = [each for each in answers if each.question.category == category]
        differ = [
            each
            for each in these
            if ours(each.question, each.text) == (each.question.name in wrong)
        ]
        recorded = sum(each.kind == "recorded" for each in these)
        rows.append(
            {
                "category": category,
                "recorded": recorded,
                "made": len(these) - recorded,
                "right": len(these) - len(wrong),
                "wrong": len(wrong),
                "differ": len(differ),
            }
        )
        table.add_row(*map(str, rows[-1].values()))
        for each in differ:
            why = wrong.get(each.question.name, "right")
            line = f"{each.question.name}, {each.kind}: {each.text!r}: {why} by BFCL, not here"
            console.print(line, markup=False, soft_wrap=True)
    console.print(table)
    return rows


def main(words: Sequence[str] | None = None, *, console: Console | None = None) -> int:
    """Judge by both and print; 1 where a verdict differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--recorded", type=Path, default=Path("results/functions-long"), help="folder of a run"
    )
    parser.add_argument(
        "--categories", default="simple,multiple,parallel,irrelevance", help="joined with commas"
    )
    parser.add_argument("--made", type=int, default=50, help="answers of each category made here")
    parser.add_argument("--seed", type=int, default=0, help="of questions and mistakes")
    parser.add_argument("--wheel", type=Path, default=None, help="of bfcl-eval; else from PyPI")
    parser.add_argument(
        "--environment", type=Path, default=Path("build/bfcl"), help="where bfcl-eval is installed"
    )
    parser.add_argument(
        "--json", type=Path, default=Path("results/functions-long/bfcl.json"), help="the figures"
    )
    given = parser.parse_args(words)
    console = console or Console()
    try:
        wheel, answers = wheel_place(given.wheel), list[Answer]()
        for category in named_categories(given.categories.split(",")):
            questions, random_ = read_questions(wheel, category), random.Random(given.seed)
            recorded = recorded_answers(given.recorded, questions)
            known = {each.question.name for each in recorded}
            left = [each for each in questions if each.name not in known]
            answers += [*recorded, *made_answers(left, count=given.made, random_=random_)]
    except PlenaError as error:
        console.print(f"functions: {error}", markup=False, soft_wrap=True)
        return 2
    with scratch_folder("bfcl") as folder:
        theirs = their_verdicts(bfcl(given.environment, console), answers, folder)
    rows = compare(answers, theirs, console)
    run = environment(("plena-cosim",))
    write_json(given.json, {"categories": rows, "seed": given.seed, "run": run})
    return int(any(each["differ"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
