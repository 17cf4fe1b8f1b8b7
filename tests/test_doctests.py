"""The examples in docstrings run as written."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import plena_cosim

PACKAGE = Path(plena_cosim.__file__).parent
ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """Return the modules of the package that have examples; golden's run with golden's tests."""
    places = [path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "golden"]
    files = [file for place in places for file in place.rglob("*.py")]
    return sorted(
        ".".join(("plena_cosim", *file.relative_to(PACKAGE).with_suffix("").parts))
        for file in files
        if ">>> " in file.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("name", modules())
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert result.attempted > 0
    assert result.failed == 0


def test_there_are_examples_in_every_place_that_is_called() -> None:
    packages = {name.split(".")[1] for name in modules()}
    assert {"fakequant", "passes"} <= packages
