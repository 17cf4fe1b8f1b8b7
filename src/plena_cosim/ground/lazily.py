"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazily(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names are imported on demand, each once.

    Args:
        package: its `__name__`.
        homes: modules, relative to the package, and the names that each gives to it; none: the
            module itself is the name.

    Returns:
        A function that takes a name and returns what it stands for.

    Raises:
        ValueError: a name is that of one of the modules, which importing puts into its place.
    """
    for names in homes.values():
        if both := {f".{name}" for name in names} & set(homes):
            # Whoever imports such a module first would find it in the place of the name.
            raise ValueError(f"{package}: {', '.join(sorted(both))} is a module and a name in it")
    known = {
        name: (home, names)
        for home, names in homes.items()
        for name in names or (home.removeprefix("."),)
    }

    def find(name: str) -> Any:
        if name not in known:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, names = known[name]
        module = importlib.import_module(home, package)
        found = getattr(module, name) if names else module
        setattr(sys.modules[package], name, found)
        return found

    return find
