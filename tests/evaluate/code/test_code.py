"""Programs of a model: what is cut, what is judged, what is estimated, and a run as a whole."""

from __future__ import annotations

import io
import itertools
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tests.evaluate.recipes import LINEAR

from plena_cosim.evaluate.code.judge import judge
from plena_cosim.evaluate.code.pass_at_k import mean_and_error, pass_at_k
from plena_cosim.evaluate.code.problem import Problem
from plena_cosim.evaluate.code.problems import load_problems
from plena_cosim.evaluate.code.run import run_eval_code
from plena_cosim.evaluate.code.write import Sampling, choose, write_completion
from plena_cosim.evaluate.load import load_model
from plena_cosim.evaluate.report_runs import run_compare
from plena_cosim.golden import FormatError
from plena_cosim.sandbox.at_hand import best
from plena_cosim.sandbox.errors import SandboxError
from plena_cosim.sandbox.limits import Limits
from plena_cosim.sources import TextSourceError

LIMITS = Limits(wall_s=60.0, cpu_s=60)
LONG = bool(os.environ.get("PLENA_CODE_LONG"))
STEP = 1 if LONG else 20
"""Of HumanEval's problems each so many is tried; all of them where PLENA_CODE_LONG is set."""


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> None:
    try:
        best()
    except SandboxError as error:
        pytest.skip(str(error))


# ------------------------------------------------------------------------------------- pass@k


def test_pass_at_k_is_the_share_of_sets_with_a_right_one() -> None:
    for samples in range(1, 8):
        for right in range(samples + 1):
            for k in range(1, samples + 1):
                sets = list(itertools.combinations(range(samples), k))
                good = sum(any(place < right for place in each) for each in sets)
                assert pass_at_k(samples, right, k) == Fraction(good, len(sets))


def test_pass_at_k_of_many_is_exact() -> None:
    assert pass_at_k(200, 1, 100) == Fraction(1, 2)
    assert pass_at_k(200, 0, 200) == 0
    assert pass_at_k(200, 150, 51) == 1


@pytest.mark.parametrize(("samples", "right", "k"), [(5, 6, 1), (5, -1, 1), (5, 1, 0), (5, 1, 6)])
def test_pass_at_k_of_what_cannot_be(samples: int, right: int, k: int) -> None:
    with pytest.raises(FormatError, match=rf"pass@{k} of {right} right ones among {samples}"):
        pass_at_k(samples, right, k)


def test_the_error_is_that_of_a_mean() -> None:
    mean, error = mean_and_error([Fraction(0), Fraction(1), Fraction(1), Fraction(0)])
    assert mean == 0.5
    assert error == pytest.approx((4 * 0.25 / 3 / 4) ** 0.5, rel=1e-15)
    assert mean_and_error([Fraction(1, 3)]) == (1 / 3, None)


# ----------------------------------------------------------------------------------- problems


@pytest.mark.parametrize("end", ["\nclass A", "\ndef f", "\n# x", "\nif x", "\nprint(1)"])
def test_a_completion_ends_where_the_function_does(end: str) -> None:
    problem = Problem(name="x", prompt="", test="")
    assert problem.cut(f"    return 1{end}\n    y\ndef g") == "    return 1"
    assert problem.cut("    if x:\n        return 1\n") == "    if x:\n        return 1\n"


def test_humaneval_is_whole() -> None:
    problems = load_problems("humaneval")
    assert [each.name for each in problems] == [f"HumanEval/{number}" for number in range(164)]
    assert all(each.test.endswith(")") and "check(" in each.test for each in problems)
    assert all(each.cut(each.solution).strip() for each in problems)


@pytest.mark.parametrize("problem", load_problems("humaneval")[::STEP], ids=lambda each: each.name)
def test_humanevals_own_solutions_are_right_and_others_are_not(problem: Problem) -> None:
    method = best()
    right = problem.program(problem.solution, problem.test)
    assert judge(right, limits=LIMITS, method=method).why == ""
    wrong = problem.program("    return object()\n", problem.test)
    found = judge(wrong, limits=LIMITS, method=method)
    assert not found.right
    assert found.why


def written(tmp_path: Path, *rows: Any) -> str:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def test_mbpp_is_a_docstring_with_its_tests(tmp_path: Path) -> None:
    row = {
        "task_id": 7,
        "text": "Add two.",
        "code": "def add(a, b):\n    return a + b + zero",
        "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        "test_setup_code": "zero = 0",
    }
    (problem,) = load_problems(written(tmp_path, row))
    assert problem.name == "MBPP/7"
    assert problem.prompt == ('"""\nAdd two.\nassert add(1, 2) == 3\nassert add(0, 0) == 0\n"""\n')
    assert problem.cut("def add(a, b):\n    return a\ndef g():\n    x\nassert y") == (
        "def add(a, b):\n    return a\ndef g():\n    x"
    )
    method = best()
    assert judge(
        problem.program(problem.solution, problem.test), limits=LIMITS, method=method
    ).right
    assert not judge(problem.program("def add(a, b): return a", problem.test), limits=LIMITS,
                     method=method).right  # fmt: skip


HALF = {"task_id": "a", "prompt": "x", "entry_point": "f"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HALF], r"problem 1: need an object with task_id, prompt, entry_point, test"),
        ([[1]], "problem 1: need an object"),
        ([HALF | {"test": ""}] * 2, "problem 2: 'a' is there twice"),
        ([], "holds no problem"),
    ],
)
def test_files_of_another_form(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(TextSourceError, match=message):
        load_problems(written(tmp_path, *rows))


def test_an_unknown_name_is_answered_with_one_that_is_known() -> None:
    with pytest.raises(TextSourceError, match=r"no problems 'humanevall'.*humaneval, mbpp.*mean"):
        load_problems("humanevall")


# ----------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import sys\nsys.exit(0)", "SystemExit 0"),
        ("import os\nos._exit(0)", "left with status 0"),
        ("assert 1 == 2", "AssertionError"),
        ("def f(:", "SyntaxError invalid syntax (program.py, line 1)"),
        ("raise ValueError('no' * 3)", "ValueError nonono"),
        ("while True: pass", "wall time"),
        ("import os\nos.kill(os.getpid(), 9)", "signal"),
        ("print('right' * 10)", ""),
        ("while True: print('x' * 1000000)", "wall time"),
    ],
)
def test_why_a_program_is_not_right(source: str, why: str) -> None:
    short = Limits(wall_s=2.0 if "while" in source else 60.0, cpu_s=60)
    found = judge(source, limits=short, method=best())
    assert (found.right, found.why) == (not why, why)


# ---------------------------------------------------------------------------------- sampling


def test_choices_follow_temperature_and_top_p() -> None:
    logits = torch.tensor([1.0, 3.0, 3.0, 2.0, -5.0])
    generator = torch.Generator().manual_seed(0)
    assert choose(logits, sampling=Sampling(), generator=generator) == 1
    chances = logits.double().div(0.7).softmax(0)
    drawn = [
        choose(logits, sampling=Sampling(temperature=0.7), generator=generator) for _ in range(4000)
    ]
    share = torch.bincount(torch.tensor(drawn), minlength=5) / 4000
    # Five standard deviations of a share of 4000.
    assert all(
        abs(a - b) < 5 * (b * (1 - b) / 4000) ** 0.5 for a, b in zip(share, chances, strict=True)
    )
    # 1 and 2 have 0.41 each: the second one passes 0.5, and nothing after it is kept.
    few = Sampling(temperature=1.0, top_p=0.5)
    assert {choose(logits, sampling=few, generator=generator) for _ in range(200)} == {1, 2}
    least = Sampling(temperature=1.0, top_p=1e-9)
    assert {choose(logits, sampling=least, generator=generator) for _ in range(50)} == {1}


@pytest.mark.parametrize("numbers", [{"temperature": -1.0}, {"top_p": 0.0}, {"max_new_tokens": 0}])
def test_samplings_that_choose_nothing(numbers: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=r"0 or more|above 0|at least one"):
        Sampling(**numbers)


def test_greedy_text_is_that_of_transformers(tiny_model: Path) -> None:
    network, tokenizer = load_model(str(tiny_model))
    ids = tokenizer("w1 w2 w3", return_tensors="pt")["input_ids"]
    made = network.generate(ids, max_new_tokens=9, do_sample=False)
    text, count = write_completion(
        network, tokenizer, "w1 w2 w3", sampling=Sampling(max_new_tokens=9), name="x",
        over=lambda _: False,
    )  # fmt: skip
    assert count == 9
    assert text.split() == tokenizer.decode(made[0, 3:]).split()


def test_a_text_that_is_over_ends(tiny_model: Path) -> None:
    network, tokenizer = load_model(str(tiny_model))
    given: dict[str, Any] = {"sampling": Sampling(max_new_tokens=9), "name": "x"}
    found = write_completion(
        network, tokenizer, "w1 w2 w3", **given, over=lambda text: len(text.split()) > 2
    )
    assert found[1] == 3
    with pytest.raises(FormatError, match="0 tokens and 9 new ones"):
        write_completion(network, tokenizer, "", **given, over=lambda _: False)


# -------------------------------------------------------------------------------- a whole run

# What the tiny model writes is a comment: only the test says what is right.
EASY = {"task_id": "easy", "prompt": "w1 = 1 # w1", "entry_point": "w1", "test": "check = abs",
        "plus_test": "check = abs"}  # fmt: skip
HARD = {"task_id": "hard", "prompt": "w2 = 2 # w2", "entry_point": "w2", "test": "check = abs",
        "plus_test": "check = len"}  # fmt: skip
WRONG = {"task_id": "wrong", "prompt": "w3 ( w3", "entry_point": "w3", "test": "check = abs",
         "plus_test": "check = abs"}  # fmt: skip


@pytest.fixture
def given(tiny_model: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": str(tiny_model),
        "dataset": written(tmp_path, EASY, HARD, WRONG),
        "samples": 2,
        "ks": (1, 2),
        "sampling": Sampling(temperature=1.0, max_new_tokens=4, seed=5),
        "limits": LIMITS,
        "console": Console(file=io.StringIO(), width=100),
    }


def test_a_run_as_a_whole(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "runs/float"
    record = run_eval_code(**given, out=out)
    passed = record["result"]["passed"]
    assert {name: each["mean"] for name, each in passed.items()} == {
        "pass@1": 2 / 3, "pass@2": 2 / 3, "plus pass@1": 1 / 3, "plus pass@2": 1 / 3,
    }  # fmt: skip
    assert passed["pass@1"]["standard_error"] == pytest.approx((2 / 9 / 2) ** 0.5)
    assert record["result"]["right"] == {"easy": 2, "hard": 2, "wrong": 0}
    assert record["result"]["why"] == {"TypeError": 2, "SyntaxError": 2}
    assert "pass@2" in (out / "report.html").read_text()
    lines = (out / "samples.jsonl").read_text().splitlines(keepends=True)
    texts = [json.loads(line)["written"]["completion"] for line in lines]
    assert len(set(texts)) == 6  # each sample has random numbers of its own

    # Interrupted after four samples, it ends with the same.
    (out / "samples.jsonl").write_text("".join(lines[:4]))
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(run | {"state": "running"}))
    again = run_eval_code(**given, out=out)
    assert again["result"]["passed"] == passed
    lines = (out / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["written"]["completion"] for line in lines] == texts

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(LINEAR)
    run_eval_code(**given, quant_config=recipe, numerics="exact", out=tmp_path / "runs/exact")
    compared = run_compare([tmp_path / "runs/exact"], out=tmp_path / "c", console=given["console"])
    names = [pair["name"] for pair in compared["runs"][0]["differences"]]
    assert names == ["pass", "plus pass"]


def test_what_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=r"k is 1, 3, samples 2; give --samples 3 or more"):
        run_eval_code(**given | {"ks": (1, 3)})
    with pytest.raises(FormatError, match="2 samples at temperature 0 are all the same"):
        run_eval_code(**given | {"sampling": Sampling()})


def test_without_a_sandbox_nothing_runs_unless_it_is_said_to(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise SandboxError("nothing isolates programs")

    monkeypatch.setattr("plena_cosim.evaluate.code.run.best", nothing)
    with pytest.raises(SandboxError, match="nothing isolates"):
        run_eval_code(**given)
    record = run_eval_code(**given, unsafe=True, limit=1)
    assert record["isolated_by"] == "none"
    assert "ran without a sandbox" in given["console"].file.getvalue()
