"""Every doctest of golden runs, and every public function has one or a reason not to."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from plena_cosim import golden

MODULES = sorted(m.name for m in pkgutil.walk_packages(golden.__path__, f"{golden.__name__}."))


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_doctests_are_found() -> None:
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(doctest.testmod(module).attempted for module in modules) >= 30
