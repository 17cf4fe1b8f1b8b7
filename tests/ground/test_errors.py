"""Everything that is raised on purpose is a PlenaError, and docs/errors.md lists it."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import plena_cosim
from plena_cosim.cli import main as cli
from plena_cosim.evaluate.ladder import step
from plena_cosim.golden import FormatError
from plena_cosim.ground.errors import PlenaError

ROOT = Path(__file__).parents[2]
NO_ERRORS = {
    "NanReplacedWarning": "a warning",
    "_TerminatedError": "SIGTERM, as KeyboardInterrupt is SIGINT",
    "Stop": "ends a model's forward early; caught where it is raised for",
    "LeftOut": "carries why a rotation is not tried; caught where it is raised for",
}


def exception_classes() -> dict[str, type[BaseException]]:
    """Return every exception class that a module of the package defines, by its name."""
    found: dict[str, type[BaseException]] = {}
    for module in pkgutil.walk_packages(plena_cosim.__path__, "plena_cosim."):
        loaded = importlib.import_module(module.name)
        for name, kind in vars(loaded).items():
            ours = inspect.isclass(kind) and kind.__module__ == module.name
            if ours and issubclass(kind, BaseException) and name == kind.__name__:
                found[name] = kind
    return found


CLASSES = exception_classes()


def test_all_exception_classes_are_found() -> None:
    in_text = set()
    for path in (path for top in ("golden", "sim", "src") for path in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = map(ast.unparse, node.bases) if isinstance(node, ast.ClassDef) else ()
            if any(base.endswith(("Error", "Exception", "Warning")) for base in bases):
                in_text.add(node.name)
    assert in_text <= CLASSES.keys()


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - NO_ERRORS.keys()))
def test_what_is_raised_on_purpose_is_ours(name: str) -> None:
    kind = CLASSES[name]
    assert issubclass(kind, PlenaError), f"{kind.__module__}.{name} must derive from PlenaError"
    if kind is not PlenaError:
        others = [base for base in kind.__mro__ if base.__module__ == "builtins"]
        assert len(others) > 3, f"{name} must also be the built-in error that fits"


def test_what_is_listed_as_no_error_is_there_and_none() -> None:
    assert NO_ERRORS.keys() <= CLASSES.keys()
    assert not any(issubclass(CLASSES[name], PlenaError) for name in NO_ERRORS)


def test_the_documentation_lists_them() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `([\w/]+)\.py` \|", text, re.MULTILINE)
    listed = {name: (base, place) for name, base, place in rows}
    public = {
        name: (kind.__bases__[-1].__name__, kind.__module__.split(".", 1)[1].replace(".", "/"))
        for name, kind in CLASSES.items()
        if issubclass(kind, PlenaError) and kind is not PlenaError and not name.startswith("_")
    }
    assert listed == public


class _ForeignError(Exception):
    """An error of nobody's, whose module has a name like ours."""


_ForeignError.__module__ = "plena_cosim.looks_like_ours"


class _OursError(PlenaError):
    """An error of ours, raised outside of the package."""


def test_the_command_line_knows_our_errors_by_their_class(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(error: Exception) -> None:
        def app() -> None:
            raise error

        monkeypatch.setattr(cli, "app", app)
        cli.main()

    with pytest.raises(SystemExit) as stop:
        fails(_OursError("give another"))
    assert stop.value.code == 2
    assert capsys.readouterr().err == "_OursError: give another\n"
    with pytest.raises(_ForeignError):
        fails(_ForeignError("a fault"))


@pytest.mark.parametrize(
    ("error", "has_traceback"), [(FormatError("no"), False), (_ForeignError("no"), True)]
)
def test_the_ladder_knows_our_errors_by_their_class(
    error: Exception,
    has_traceback: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(step, "measure", fails)
    monkeypatch.setattr(step, "_take_stdout", lambda: sys.stdout)
    monkeypatch.setattr(step, "end_with_stdin", lambda: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO("{}\n"))
    assert step.main() == 1
    shown = capsys.readouterr()
    assert f'"error": "{type(error).__name__}: no"' in shown.out
    assert ("Traceback" in shown.err) == has_traceback
