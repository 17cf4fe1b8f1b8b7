"""[rotation] online: which of the chosen modules are rotated while the model runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from ..modules.module_kind import ModuleKind
from ..recipe.formats import AttentionFormats, RotationMode
from ..recipe.rotation_table import RotationTable
from ..recipe.selector import LARGEST_ROTATION, Selector
from ..recipe.selector_tables import ROTATIONS

Chosen: TypeAlias = dict[str, Selector]
"""Selectors by the names of the modules that they choose."""

R3, R4 = "qk_matmul", "down_proj"
"""The matmul types that the two shorthands stand for."""


class OnlineRotations:
    """What a recipe's [rotation] asks of a model's matmuls.

    A matmul is a linear layer, or `qk_matmul`, `av_matmul`, `kv_cache` of an attention module. Its
    type is the last part of its name.
    """

    def __init__(
        self, table: RotationTable | None, kinds: Mapping[str, ModuleKind], source: str
    ) -> None:
        self.table, self.source = table or RotationTable.model_validate({}), source
        self.matmuls = dict.fromkeys(
            matmul for name, kind in kinds.items() for matmul in kind.matmuls(name)
        )
        self.linear = {name for name, kind in kinds.items() if kind.matmuls(name) == [name]}
        shorthands = [R3] * self.table.r3 + [R4] * self.table.r4
        self.wanted = {*self.table.online, *shorthands}
        self.semantics = RotationMode(self.table.semantics)

    def applied(self, chosen: Chosen) -> Chosen:
        """Return the selectors with their rotations; a selector's own online_rotate wins."""
        return {name: self._rotated(name, selector) for name, selector in chosen.items()}

    def check(self, phases: Iterable[Chosen]) -> None:
        """Raise FormatError where `online` names what is not there, or what nothing quantises.

        Args:
            phases: the selectors of each phase; a name is good if one phase quantises it.
        """
        known = {*self.matmuls, *map(_type, self.matmuls)}
        rotatable = {matmul for chosen in phases for matmul in self._rotatable(chosen)}
        for name in self.table.online:
            where = f"{self.source} [rotation]: online names {name!r}, "
            if name not in known:
                types = ", ".join(dict.fromkeys(map(_type, self.matmuls)))
                raise FormatError(
                    f"{where}but the model has no such matmul; it has {types or 'none'}, and each "
                    f"of them by its full name{did_you_mean(name, known)}"
                )
            if not any(name in (matmul, _type(matmul)) for matmul in rotatable):
                what = "inputs" if self.semantics is RotationMode.DEQUANT else "operands"
                raise FormatError(
                    f"{where}but the recipe quantises none of its {what}; give them a format or "
                    "remove the name"
                )

    def _wants(self, matmul: str) -> bool:
        if self.table.online_rotate and matmul in self.linear:
            return True
        return matmul in self.matmuls and not self.wanted.isdisjoint((matmul, _type(matmul)))

    def _rotated(self, name: str, selector: Selector) -> Selector:
        size = self.table.size or LARGEST_ROTATION
        free = selector.online_rotate is None and "online_rotate" not in selector.explicit
        if free and self._wants(name) and self._linear_is_quantised(selector):
            selector = replace(selector, online_rotate=size)
        attention = selector.formats.attention
        sizes = {field: getattr(attention, field) for field in ROTATIONS.values()}
        for operation, field in ROTATIONS.items():
            if sizes[field] is None and self._wants(f"{name}.{operation}"):
                sizes[field] = size if self._is_quantised(attention, operation) else None
        sizes = {field: given or None for field, given in sizes.items()}
        turned = any(sizes.values())
        attention = replace(
            attention, **sizes, semantics=self.semantics if turned else RotationMode.FUSED
        )
        return replace(
            selector,
            formats=replace(selector.formats, attention=attention),
            semantics=self.semantics if selector.online_rotate else RotationMode.FUSED,
        )

    def _rotatable(self, chosen: Chosen) -> Iterable[str]:
        for name, selector in chosen.items():
            if self._linear_is_quantised(selector):
                yield name
            for operation in ROTATIONS:
                if self._is_quantised(selector.formats.attention, operation):
                    yield f"{name}.{operation}"

    def _linear_is_quantised(self, selector: Selector) -> bool:
        fused = self.semantics is RotationMode.FUSED
        return selector.formats.data_in is not None or (
            fused and selector.formats.weight is not None
        )

    def _is_quantised(self, formats: AttentionFormats, operation: str) -> bool:
        """Whether the rotation of an operation inside attention meets a format.

        Keys of the fused semantics are rotated before the cache quantises them.
        """
        cache = self.semantics is RotationMode.FUSED and formats.kv_cache is not None
        return getattr(formats, operation) is not None or (operation == R3 and cache)


def _type(matmul: str) -> str:
    return matmul.rpartition(".")[2]
