"""Recipes, machines and tasks that come with the package, also where there is no checkout."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("configs/quant", "configs/hw")

TASKS = _PACKAGE / "configs" / "tasks"
"""The folder of lm-eval's YAML files that come with the package."""


def shipped(path: Path) -> Path:
    """Return where a recipe, a machine or a folder of them is.

    What is there is taken as it is given. A bare file name, and a path that begins with `configs`,
    else mean what the package brings.

    Args:
        path: as a user gave it.

    Returns:
        The path of what was found; `path` itself where nothing was.
    """
    if path.exists() or path.is_absolute() or not path.parts:
        return path
    bare = len(path.parts) == 1 and path.suffix == ".toml"
    folders = _FOLDERS if bare else (".",) if path.parts[0] == "configs" else ()
    places = (_PACKAGE / folder / path for folder in folders)
    return next((place for place in places if place.exists()), path)


def all_shipped() -> dict[str, str]:
    """Return the recipes and machines of the package: what to call each by, its first comment."""
    found = {}
    paths = [path for folder in _FOLDERS for path in (_PACKAGE / folder).rglob("*.toml")]
    for path in sorted(paths, key=lambda path: path.parts):
        inside = path.relative_to(_PACKAGE)
        bare = inside.parent.as_posix() in _FOLDERS
        found[path.name if bare else inside.as_posix()] = _first_comment(path)
    return found


def _first_comment(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in comment)
