"""The nearest known name, at the end of a message, once for the whole project."""

from __future__ import annotations

import doctest
from pathlib import Path

from plena_cosim.ground import did_you_mean as module
from plena_cosim.ground.did_you_mean import did_you_mean

ROOT = Path(__file__).parents[2]


def test_examples_hold() -> None:
    tried = doctest.testmod(module)
    assert tried.attempted
    assert not tried.failed


def test_any_iterable_of_names_will_do() -> None:
    assert did_you_mean("mxint_4", iter({"mxint4": 1, "bf16": 2})) == ". Did you mean 'mxint4'?"


def test_nobody_else_looks_for_near_names() -> None:
    sources = [
        path for folder in ("golden", "sim", "src") for path in (ROOT / folder).rglob("*.py")
    ]
    users = [path.name for path in sources if "difflib" in path.read_text(encoding="utf-8")]
    assert users == ["did_you_mean.py"]
