"""Seams: the names by which the forward of an attention module lets others in."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from .own_scores import OwnScores, ScoresMethod, own_scores
from .rotary import KEYS, names_its_operands

CACHES = ("past_key_values", "layer_past")
EXTRAS = ("indices", "block_indices", "sinks")
"""What a forward may give its attention function that ours does not follow: which keys a query
attends, chosen by an indexer, and scores without a value that differ from query to query."""


@dataclass(frozen=True, kw_only=True)
class Seams:
    """What the forward of an attention module looks up by name.

    Attributes:
        cache: the argument that takes the cache; None: it takes none.
        rotary: its functions of the rotary embedding, by name, whose operands are known.
        unknown: names of those whose operands are not.
        interface: whether transformers gives it an attention function.
        extras: what of EXTRAS it gives that function.
        family: how it computes scores in code of its own; None: it does not, or we do not know.
    """

    cache: str | None
    rotary: Mapping[str, Callable[..., Any]]
    unknown: tuple[str, ...]
    interface: bool
    extras: tuple[str, ...]
    family: OwnScores | ScoresMethod | None

    @property
    def known_scores(self) -> bool:
        """Whether what follows the cache can be computed otherwise."""
        return self.interface or self.family is not None

    def turns(self, module: nn.Module) -> bool:
        """Return whether a module turns keys in a way that can be followed."""
        if isinstance(self.family, OwnScores):
            return self.family.turns(module)
        return bool(self.rotary)

    def turns_pairs(self) -> bool:
        """Return whether queries and keys are told apart where they are turned."""
        return all(
            set(KEYS) & set(inspect.signature(rotary).parameters) for rotary in self.rotary.values()
        )


def seams_of(module: nn.Module) -> Seams:
    """Return the seams of an attention module.

    Args:
        module: an attention module of transformers.
    """
    return _of_forward(inspect.unwrap(type(module).forward))


@cache
def _of_forward(forward: Callable[..., Any]) -> Seams:
    parameters = inspect.signature(forward).parameters
    loaded = {step.argval for step in dis.get_instructions(forward) if "GLOBAL" in step.opname}
    rotary = sorted(name for name in loaded if "rotary" in name or "rope" in name)
    functions = {name: forward.__globals__.get(name) for name in rotary}
    known = {
        name: each
        for name, each in functions.items()
        if callable(each) and names_its_operands(each)
    }
    return Seams(
        cache=next((name for name in CACHES if name in parameters), None),
        rotary=known,
        unknown=tuple(name for name in rotary if name not in known),
        interface="ALL_ATTENTION_FUNCTIONS" in loaded,
        extras=tuple(name for name in EXTRAS if name in _words(forward)),
        family=own_scores(forward),
    )


def _words(forward: Callable[..., Any]) -> set[str]:
    """Return the strings among a function's constants: names of arguments that it gives, too."""
    found: set[str] = set()
    for each in forward.__code__.co_consts:
        found.update(each if isinstance(each, tuple) else (each,))
    return {word for word in found if isinstance(word, str)}
