"""Which files of the repository the site shows, found by following links, and what of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

START = ("README.md", "CHANGELOG.md", "docs/**/*.md")
"""Where links are followed from."""

ASSETS = {".png", ".svg"}
SHOWN = {".toml"}
"""Endings of files that a folder's page shows; of others it has the name and the first line."""

_LANGUAGES = {".py": "python", ".sv": "systemverilog", ".toml": "toml", ".json": "json"}
_LINK = re.compile(r"\]\(([^()\s#]+)(?:#[^()\s]*)?\)")
_NO_SEARCH = "---\nsearch:\n  exclude: true\n---\n\n"
_FENCE = "~" * 8


class Kind(Enum):
    """What a path becomes in the site."""

    PAGE = "page"
    """Markdown."""
    FOLDER = "folder"
    """A page that lists it."""
    SOURCE = "source"
    """A page with its text."""
    ASSET = "asset"
    """A picture, copied."""


@dataclass(frozen=True, kw_only=True)
class Linked:
    """A path of the repository, relative to its root, and what it becomes."""

    path: str
    kind: Kind


def linked_paths(root: Path) -> list[Linked]:
    """Return what the documentation consists of and links to; links to nothing are left out."""
    found: dict[str, Linked] = {}
    waiting = [
        path.relative_to(root).as_posix() for each in START for path in sorted(root.glob(each))
    ]
    for path in waiting:
        if path in found or path.startswith("..") or not (root / path).exists():
            continue
        found[path] = linked = Linked(path=path, kind=_kind(root / path))
        if linked.kind is Kind.PAGE:
            text = (root / path).read_text(encoding="utf-8")
            waiting += [normpath(join(dirname(path), link)) for link in _LINK.findall(text)]
        if linked.kind is Kind.FOLDER:
            waiting += [
                f"{path}/{each.name}" for each in _listed(root / path) if each.suffix in SHOWN
            ]
    return [found[path] for path in sorted(found)]


def text_of(linked: Linked, root: Path, *, shown: Container[str]) -> str:
    """Return the Markdown of a page that shows a file or a folder.

    Args:
        linked: which.
        root: the checkout.
        shown: paths that the site has, which a folder's page links to.
    """
    path = root / linked.path
    if linked.kind is Kind.FOLDER:
        return f"{_NO_SEARCH}# {linked.path}/\n\n" + "\n".join(_folder(path, root, shown))
    text = path.read_text(encoding="utf-8-sig").rstrip("\n")
    language = _LANGUAGES.get(path.suffix, "text")
    return f"{_NO_SEARCH}# {linked.path}\n\n{_FENCE}{language}\n{text}\n{_FENCE}\n"


def _kind(path: Path) -> Kind:
    if path.is_dir():
        return Kind.FOLDER
    if path.suffix == ".md":
        return Kind.PAGE
    return Kind.ASSET if path.suffix in ASSETS else Kind.SOURCE


def _listed(folder: Path) -> list[Path]:
    entries = [each for each in folder.iterdir() if not each.name.startswith((".", "__pycache__"))]
    return sorted(entries, key=lambda each: (each.is_file(), each.name))


def _folder(folder: Path, root: Path, shown: Container[str]) -> Iterator[str]:
    if line := _first_line(folder):
        yield f"{_cell(line)}\n"
    yield "| name | what |"
    yield "|---|---|"
    for each in _listed(folder):
        name = each.name + "/" * each.is_dir()
        # src/plena_cosim links to golden, sim and rtl: the page is that of the folder itself.
        target = each.resolve().relative_to(root.resolve()).as_posix()
        link = relpath(target, folder.relative_to(root).parent)
        entry = f"[{name}]({link})" if target in shown else f"`{name}`"
        yield f"| {entry} | {_cell(_first_line(each))} |"


def _cell(text: str) -> str:
    return re.sub(r"([|<>*_\[\]])", r"\\\1", text)


def _first_line(path: Path) -> str:
    """Return what a file or folder says of itself first, or nothing."""
    if path.is_dir():
        inner = path / "__init__.py"
        return _first_line(inner) if inner.is_file() else ""
    if path.suffix == ".py":
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        return docstring.partition("\n")[0]
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
    if path.suffix in {".toml", ".sv", ".vlt"}:
        return _first_comment(path.read_text(encoding="utf-8-sig"))
    return ""


def _first_comment(text: str) -> str:
    """Return the first line of the comment that a file begins with, licence line apart."""
    for line in text.splitlines():
        words = line.strip().lstrip("/# ")
        if not line.startswith(("#", "//")):
            return ""
        if words and not words.startswith(("SPDX", ":schema")):
            return words
    return ""
