"""measure_code: all samples of all problems, written and judged."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plena_cosim.ground.progress import Progress
from plena_cosim.passes.recipe.draws import begin_sample
from plena_cosim.sandbox.limits import Limits
from plena_cosim.sandbox.method import Method

from ..results.sample_log import SampleLog
from .judge import judge
from .pass_at_k import mean_and_error, pass_at_k
from .problem import Problem
from .write import Sampling, write_completion

BASE, PLUS = "pass", "plus pass"


@dataclass(frozen=True, kw_only=True)
class CodeResult:
    """A measurement.

    Attributes:
        passed: by "pass@k", and "plus pass@k" where problems have a harder test: the mean over
            problems and its standard error.
        problems, samples: how many, and how many of each.
        right: by problem, how many samples pass its test.
        why: what became of samples that do not, and how often.
        tokens: that were written.
        seconds: of model and programs.
    """

    passed: dict[str, tuple[float, float | None]]
    problems: int
    samples: int
    right: dict[str, int]
    why: dict[str, int]
    tokens: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        passed = {
            name: {"mean": mean, "standard_error": error}
            for name, (mean, error) in self.passed.items()
        }
        return vars(self) | {"passed": passed}

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values for a table."""
        figures = [
            (name, f"{mean:.4f}" + ("" if error is None else f" ± {error:.4f}"))
            for name, (mean, error) in self.passed.items()
        ]
        return [
            *figures,
            ("problems, samples of each", f"{self.problems}, {self.samples}"),
            ("tokens written", str(self.tokens)),
        ]


def measure_code(
    model: Any,
    tokenizer: Any,
    problems: Sequence[Problem],
    *,
    samples: int,
    ks: Sequence[int],
    sampling: Sampling,
    limits: Limits,
    method: Method,
    log: SampleLog | None = None,
    progress: Progress | None = None,
) -> CodeResult:
    """Have a model solve problems, and return how often it does.

    Args:
        model: a causal language model of transformers.
        tokenizer: of the model.
        problems: each has a name of its own.
        samples: completions of each.
        ks: for which pass@k is wanted, each at most `samples`.
        sampling: how tokens are chosen.
        limits: what a program may use.
        method: what isolates it.
        log: where each sample goes; those that it has already are not made again.
        progress: called after each sample that is made here.

    Raises:
        FormatError: a prompt is longer than what the model sees.
        SandboxError: programs cannot be run.
    """
    log = log if log is not None else SampleLog()
    places = {
        f"{problem.name} {sample}": (number, problem)
        for number, problem in enumerate(problems)
        for sample in range(samples)
    }
    numbers = {name: number for number, name in enumerate(places)}
    left = log.left([[name] for name in places])
    done = len(places) - len(left)
    for (name,) in left:
        begin_sample(model, numbers[name])
        _measure(model, tokenizer, places[name][1], name, sampling, limits, method, log)
        done += 1
        if progress is not None:
            progress("programs written and run", done, len(places))
    log.together(list(places))
    return _result(log, problems, samples, ks)


def _measure(
    model: Any,
    tokenizer: Any,
    problem: Problem,
    name: str,
    sampling: Sampling,
    limits: Limits,
    method: Method,
    log: SampleLog,
) -> None:
    """Write one sample, judge it, and log it."""
    started = time.perf_counter()
    written, tokens = write_completion(
        model,
        tokenizer,
        problem.prompt,
        sampling=sampling,
        name=name,
        over=lambda text: problem.cut(text) != text,
    )
    completion = problem.cut(written)
    verdict = judge(problem.program(completion, problem.test), limits=limits, method=method)
    scores = {BASE: float(verdict.right)}
    why = verdict.why
    if problem.plus_test is not None:
        plus = verdict.right
        if plus:
            harder = judge(
                problem.program(completion, problem.plus_test), limits=limits, method=method
            )
            plus, why = harder.right, harder.why
        scores[PLUS] = float(plus)
    log.add(
        name,
        {
            "problem": problem.name,
            "scores": scores,
            "written": {"completion": completion, "why": why},
            "tokens": tokens,
            "seconds": time.perf_counter() - started,
        },
    )


def _result(
    log: SampleLog, problems: Sequence[Problem], samples: int, ks: Sequence[int]
) -> CodeResult:
    found: dict[str, list[dict[str, Any]]] = {problem.name: [] for problem in problems}
    for problem in problems:
        for sample in range(samples):
            record = log.get(f"{problem.name} {sample}")
            if record is not None:
                found[problem.name].append(record)
    passed = {}
    for score in (BASE, PLUS):
        right = [
            sum(each["scores"][score] == 1 for each in those)
            for those in found.values()
            if all(score in each["scores"] for each in those)
        ]
        for k in ks if right else ():
            passed[f"{score}@{k}"] = mean_and_error([pass_at_k(samples, n, k) for n in right])
    every = [each for those in found.values() for each in those]
    why: dict[str, int] = {}
    for each in every:
        reason = each["written"]["why"].partition(" ")[0]
        if reason:
            why[reason] = why.get(reason, 0) + 1
    return CodeResult(
        passed=passed,
        problems=len(problems),
        samples=samples,
        right={
            name: sum(each["scores"][BASE] == 1 for each in those) for name, those in found.items()
        },
        why=dict(sorted(why.items(), key=lambda item: -item[1])),
        tokens=sum(each["tokens"] for each in every),
        seconds=math.fsum(each["seconds"] for each in every),
    )
