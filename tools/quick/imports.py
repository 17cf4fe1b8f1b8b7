"""Who imports whom, read from the source text of package, tests and tools alike.

A name that a package only passes on (`from plena_cosim.golden import get_format`) counts as an
import of the file that defines it. So a test depends on what it names, and not on all that the
package's `__init__` happens to import.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

INIT = "__init__"
_DOTTED = re.compile(r"\b[A-Za-z_]\w*(?:\.\w+)+")


@dataclass(frozen=True, kw_only=True)
class ImportGraph:
    """Modules by dotted name, and what each imports.

    The file of a package is `package.__init__`; the package itself means that file and all that it
    imports.
    """

    imports: Mapping[str, frozenset[str]]

    def distances(self, changed: Iterable[str]) -> dict[str, int]:
        """Return how many imports lie between each module that depends on a changed one and it."""
        importers: dict[str, list[str]] = {}
        for module, imported in self.imports.items():
            for name in imported:
                importers.setdefault(name, []).append(module)
        found = dict.fromkeys(changed, 0)
        waiting = deque(found)
        while waiting:
            module = waiting.popleft()
            for importer in importers.get(module, ()):
                if importer not in found:
                    found[importer] = found[module] + 1
                    waiting.append(importer)
        return found


def module_name(path: str, folders: Mapping[str, str]) -> str | None:
    """Return the dotted name of a Python file, or None where no folder has it.

    Args:
        path: of the file, relative to the checkout.
        folders: dotted names of packages by their folder, relative to the checkout.
    """
    for folder, package in folders.items():
        if path.startswith(f"{folder}/") and path.endswith(".py"):
            inner = path[len(folder) + 1 : -len(".py")].replace("/", ".")
            return f"{package}.{inner}"
    return None


def read_graph(root: Path, folders: Mapping[str, str], gone: Iterable[str] = ()) -> ImportGraph:
    """Return the graph of all Python files in these folders.

    Args:
        root: the checkout.
        folders: dotted names of packages by their folder, as `module_name` takes them.
        gone: modules that are no longer there, but that others may still import.
    """
    trees = {
        name: ast.parse(file.read_text(encoding="utf-8"))
        for folder in folders
        for file in sorted((root / folder).rglob("*.py"))
        if (name := module_name(file.relative_to(root).as_posix(), folders))
    }
    reader = _Reader(trees, frozenset(gone))
    return ImportGraph(imports=reader.all_imports())


class _Reader:
    """Resolves the imports of parsed files."""

    def __init__(self, trees: Mapping[str, ast.Module], gone: frozenset[str]) -> None:
        self.trees = trees
        packages = {name[: -len(INIT) - 1] for name in trees if name.endswith(f".{INIT}")}
        self.packages = frozenset(packages)
        self.known = frozenset({*trees, *packages, *gone})
        self.tops = frozenset(name.partition(".")[0] for name in self.known)
        self.passed_on = {package: dict(self._passed_on(package)) for package in packages}

    def all_imports(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for module, tree in self.trees.items():
            imported = frozenset(self._imports(module, tree)) - {module}
            if module.endswith(f".{INIT}"):
                package = module[: -len(INIT) - 1]
                found[package] = (imported | {module}) - {package}
                found[module] = frozenset()
            else:
                found[module] = imported | self._conftests(module)
        return found

    def _imports(self, module: str, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                base = self._base(module, node)
                for alias in node.names:
                    yield from self._with_files(self._resolve(base, alias.name))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._with_files(self._longest(alias.name))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # monkeypatch.setattr("plena_cosim.…"), `python -m …`, programs of child processes
                for text in _DOTTED.findall(node.value):
                    if text.partition(".")[0] in self.tops:
                        yield from self._with_files(self._longest(text), least=2)

    def _with_files(self, name: str | None, least: int = 1) -> Iterator[str]:
        """Yield a module and the files of the packages that Python runs on the way to it."""
        if name is None or name.count(".") + 1 < least:
            return
        yield name
        parts = name.split(".")
        for count in range(1, len(parts)):
            if (package := ".".join(parts[:count])) in self.packages:
                yield f"{package}.{INIT}"

    def _base(self, module: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = module.split(".")[: -node.level]
        return ".".join([*above, *([node.module] if node.module else [])])

    def _passed_on(self, package: str) -> Iterator[tuple[str, tuple[str, str]]]:
        module = f"{package}.{INIT}"
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name, (self._base(module, node), alias.name)

    def _resolve(self, base: str, name: str, depth: int = 0) -> str | None:
        """Return the module that `from base import name` depends on."""
        if (inner := f"{base}.{name}") in self.known:
            return inner
        source = self.passed_on.get(base, {}).get(name)
        if source and depth < 8:
            return self._resolve(*source, depth + 1)
        return self._longest(base)

    def _longest(self, dotted: str) -> str | None:
        parts = dotted.split(".")
        prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((prefix for prefix in prefixes if prefix in self.known), None)

    def _conftests(self, module: str) -> frozenset[str]:
        parts = module.split(".")
        found = (".".join([*parts[:count], "conftest"]) for count in range(1, len(parts)))
        return frozenset(name for name in found if name in self.known and name != module)
