"""Attention, known by a layer index beside projections."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ..attention import hooks
from ..attention.rotation import resolved
from ..modules.module_kind import AcceptedFormats, BuildRequest, Built, ModuleKind, PhasedRequest
from ..modules.phase import LAYER_INDICES, PhaseClock
from ..recipe.formats import AttentionFormats
from ..recipe.recipe import KvHandover, Phase
from ..recipe.selector import Selector
from ..recipe.selector_tables import ROTATIONS

_FUSED = {"qkv_proj", "query_key_value", "c_attn", "Wqkv", "kv_b_proj"}
"""What models call a projection that gives both keys and values."""


class AttentionKind(ModuleKind):
    """What happens between the projections, which are linear layers of their own."""

    name = "attention"
    priority = 30
    accepts = AcceptedFormats(attention=True)
    owns_weights = False

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it has a layer index, and projections of keys and values."""
        names = {name for name, _ in module.named_children()}
        return any(hasattr(module, index) for index in LAYER_INDICES) and bool(
            {"k_proj", "v_proj"} <= names or names & _FUSED
        )

    def matmuls(self, name: str) -> list[str]:
        """Return the operations inside that can be rotated."""
        return [f"{name}.{operation}" for operation in ROTATIONS]

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Raise FormatError where a module has not what its formats are about."""
        hooks.check(
            request.module,
            request.selector.formats.attention,
            hw=request.hw,
            handover=handover,
            where=request.where,
        )

    def check_phases(self, request: PhasedRequest) -> None:
        """Raise FormatError where the phases cannot share a cache."""
        hooks.check_phases(request.module, _formats(request.selectors), request.where)

    def build(self, request: BuildRequest) -> Built:
        """Return the formats; `install` puts them in."""
        formats = request.selector.formats.attention
        return Built(attention=resolved(request.module, formats, request.where))

    def install(self, request: PhasedRequest, clock: PhaseClock) -> None:
        """Have the module quantise between its projections, in place."""
        hooks.install(
            request.module,
            _formats(request.selectors),
            hw=request.hw,
            clock=clock,
            where=request.where,
        )

    def finish(self, model: nn.Module) -> None:
        """Have the model ask for our attention function."""
        hooks.use_in(model)


def _formats(selectors: Mapping[Phase, Selector | None]) -> dict[Phase, AttentionFormats]:
    """Return the formats by phase; none where a module is left alone."""
    return {
        phase: AttentionFormats() if selector is None else selector.formats.attention
        for phase, selector in selectors.items()
    }


KIND = AttentionKind()
