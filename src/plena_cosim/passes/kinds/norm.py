"""Normalisations: RMSNorm and LayerNorm, known by one gain vector with an epsilon."""

from __future__ import annotations

from torch import nn

from ..modules.module_kind import SCALAR, AcceptedFormats, BuildRequest, Built, ModuleKind
from ..modules.quant_norm import QuantNorm, gain_and_bias
from ..recipe.recipe import KvHandover


class NormKind(ModuleKind):
    """A normalisation over the last axis."""

    name = "normalisation"
    priority = 40
    accepts = AcceptedFormats(roles={"weight": SCALAR, "data_in": SCALAR})

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it is a LayerNorm, or has a gain and an epsilon and no other parameter."""
        if isinstance(module, nn.LayerNorm):
            return True
        if not (hasattr(module, "eps") or hasattr(module, "variance_epsilon")):
            return False
        own = dict(module.named_parameters())
        return set(own) == {"weight"} and own["weight"].ndim == 1

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Raise FormatError where a module normalises in no way that is known."""
        gain_and_bias(request.module, request.where)

    def build(self, request: BuildRequest) -> Built:
        """Return the quantised norm."""
        module, where = request.module, request.where
        formats = request.selector.formats
        made = QuantNorm(module, formats, hw=request.hw, where=where, store=request.store)
        return Built(modules={"": made}, weights=[(gain_and_bias(module, where)[0], made.stored)])


KIND = NormKind()
