"""API pages: a package's docstring, and what its `__init__` exports, from their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGES = (
    "golden",
    "golden.affine",
    "golden.blocks",
    "golden.ops",
    "fakequant",
    "passes",
    "evaluate",
    "sim",
)
"""Below plena_cosim; each has a page api/<package>.md."""


def api_page(root: Path, package: str) -> str:
    """Return the Markdown of a package's page, with a directive of mkdocstrings for each name."""
    init = root / "src" / "plena_cosim" / package.replace(".", "/") / "__init__.py"
    tree = ast.parse(init.read_text(encoding="utf-8"))
    homes = _homes(tree, f"plena_cosim.{package}")
    lines = [f"# plena_cosim.{package}", "", ast.get_docstring(tree) or "", ""]
    for name in _exported(tree):
        home = homes[name]
        if home == f"plena_cosim.{package}.{name}":
            lines += [f"## {name}", "", f"A package of its own: [{home}]({package}.{name}.md).", ""]
        else:
            lines += [f"::: {home}", ""]
    return "\n".join(lines)


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise ValueError("an API page needs __all__ in the package's __init__.py")


def _homes(tree: ast.Module, package: str) -> dict[str, str]:
    """Return where each imported name is defined: `exp` in golden.ops is also a module there."""
    homes: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            folder = [package] if node.level else []
            path = ".".join([*folder, *([node.module] if node.module else [])])
            homes |= {alias.asname or alias.name: f"{path}.{alias.name}" for alias in node.names}
    return homes
