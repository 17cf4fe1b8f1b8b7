"""taken_weight: children whose weight a module multiplies itself, without calling them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache

_FACTS = ("dtype", "device", "shape", "ndim", "requires_grad", "is_meta", "size", "dim")
"""What may be asked of a weight without multiplying it."""


@cache
def takes_weights(owner: type) -> frozenset[str]:
    """Return the children of a class that its forward never calls, but takes the weight of.

    Mamba's mixer does so with `dt_proj`. It is read in the source of the class and of those above
    it, from forward on through the methods that are named there; a class whose source is not at
    hand has none. What the code mentions in any other way may be called and does not count.

    Args:
        owner: a class of modules.
    """
    taken: set[str] = set()
    mentioned: set[str] = set()
    for function in _run_by_forward(owner).values():
        above = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(function):
            name = _of_self(node)
            if name is None:
                continue
            use = above[node]
            if not isinstance(use, ast.Attribute):
                mentioned.add(name)
            elif use.attr == "weight" and not _asks_a_fact(above[use]):
                taken.add(name)
    return frozenset(taken - mentioned)


def _run_by_forward(owner: type) -> Mapping[str, ast.FunctionDef]:
    """Return forward and the methods that it may come to, by name."""
    found: dict[str, ast.FunctionDef] = {}
    waiting = ["forward"]
    while waiting:
        name = waiting.pop()
        base = next((base for base in owner.__mro__ if name in vars(base)), None)
        function = None if base is None else _methods(base).get(name)
        if name in found or function is None:
            continue
        found[name] = function
        waiting += [used for node in ast.walk(function) if (used := _of_self(node)) is not None]
    return found


@cache
def _methods(owner: type) -> Mapping[str, ast.FunctionDef]:
    """Return the methods that a class itself defines; torch's classes define none."""
    if owner.__module__.partition(".")[0] in ("torch", "builtins"):
        return {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, SyntaxError, TypeError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _of_self(node: ast.AST) -> str | None:
    """Return the name of an attribute of `self`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else None
    return None


def _asks_a_fact(use: ast.AST) -> bool:
    return isinstance(use, ast.Attribute) and use.attr in _FACTS
