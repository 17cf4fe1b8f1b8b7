"""FusedSlices: the names that linear layers had before a model kept them in one weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from plena_cosim.golden import FormatError

from ..modules.module_kind import ModuleKind
from ..recipe.selector import Selector


class FusedSlices:
    """Slices of fused weights, each by the full name of the linear layer that it was.

    A recipe that was written for one linear layer an expert names them; a fused weight has one
    format, so that all slices of a module go together.

    Attributes:
        owner: the module that holds each slice.
    """

    def __init__(self, modules: Mapping[str, nn.Module], kinds: Mapping[str, ModuleKind]) -> None:
        self.owner = {
            f"{name}.{part}": name
            for name, kind in kinds.items()
            for part in kind.slices(modules[name])
            if f"{name}.{part}" not in modules
        }

    def owners_of_all(self, matched: list[str], where: str) -> list[str]:
        """Return modules with the owner in the place of its slices.

        Args:
            matched: names of modules and slices.
            where: file and table, for messages.

        Raises:
            FormatError: some slices of a module are named, and others are not.
        """
        found: dict[str, None] = {}
        for name in matched:
            owner = self.owner.get(name, name)
            if owner != name and owner not in found:
                self._require_all(owner, set(matched), where)
            found[owner] = None
        return list(found)

    def together(self, owner: str, parts: Mapping[str, Selector], where: str) -> Selector:
        """Return what a module's slices make of the module.

        Args:
            owner: its name.
            parts: the selector of each slice, by full name.
            where: file and table, for messages.

        Raises:
            FormatError: a slice has none, or theirs differ in more than the key.
        """
        self._require_all(owner, set(parts), where)
        (first, *others) = parts.items()
        for name, selector in others:
            if replace(selector, key=first[1].key, explicit=first[1].explicit) != first[1]:
                raise FormatError(
                    f"{where}: {name!r} and {first[0]!r} are slices of one fused weight, "
                    f"{owner!r}, which has one format, but [{selector.name}] gives it another; "
                    "give all experts of a layer the same"
                )
        return first[1]

    def _require_all(self, owner: str, named: set[str], where: str) -> None:
        missing = [name for name, of in self.owner.items() if of == owner and name not in named]
        if missing:
            raise FormatError(
                f"{where}: names slices of {owner!r}, whose experts are fused into one weight with "
                f"one format, but not {missing[0]!r}; name all of them, such as "
                f"'{owner}' or a pattern for {owner}.<expert>.(gate|up|down)_proj"
            )
