"""The examples in docstrings of fakequant, sources, passes and evaluate run as written."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import plena_cosim

PACKAGES = ("fakequant", "sources", "passes", "evaluate")
FOLDER = Path(plena_cosim.__file__).parent
MODULES = [
    f"plena_cosim.{package}.{module.name}"
    for package in PACKAGES
    for module in pkgutil.iter_modules([str(FOLDER / package)])
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_there_are_examples_to_run() -> None:
    found = (doctest.DocTestFinder().find(importlib.import_module(name)) for name in MODULES)
    assert sum(bool(test.examples) for tests in found for test in tests) >= 7
