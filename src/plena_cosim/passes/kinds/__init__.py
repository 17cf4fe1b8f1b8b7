"""The kinds of modules that a recipe can change, one file each.

A file here makes one `ModuleKind` and calls it KIND; nothing else has to know of it.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from torch import nn

from ..modules.module_kind import ModuleKind


@cache
def all_kinds() -> tuple[ModuleKind, ...]:
    """Return the KIND of every file in this folder, by priority."""
    files = [import_module(f"{__name__}.{entry.name}") for entry in pkgutil.iter_modules(__path__)]
    return tuple(sorted((file.KIND for file in files), key=lambda kind: kind.priority))


def kind_of(module: nn.Module) -> ModuleKind | None:
    """Return the kind of a module; None for what no recipe changes."""
    return next((kind for kind in all_kinds() if kind.recognise(module)), None)


def obstacle(module: nn.Module) -> str | None:
    """Return why no recipe can quantise a module that looks like one of some kind.

    Returns:
        Words that follow the name of its class; None: nothing is in the way, or no kind knows it.
    """
    return next((why for kind in all_kinds() if (why := kind.obstacle(module))), None)
