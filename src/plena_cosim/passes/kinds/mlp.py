"""MLPs, known by an activation beside linear layers."""

from __future__ import annotations

from torch import nn

from ..modules.module_kind import SCALAR, AcceptedFormats, BuildRequest, Built, ModuleKind
from ..modules.quant_activation import QuantActivation, activation_names, recognise
from ..recipe.recipe import KvHandover
from .linear import KIND as LINEAR


class MlpKind(ModuleKind):
    """The activations inside; projections are linear layers of their own."""

    name = "MLP"
    priority = 60
    accepts = AcceptedFormats(roles={"data_in": SCALAR})
    owns_weights = False

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it has an activation and a linear layer as children."""
        return bool(activation_names(module)) and any(
            LINEAR.recognise(child) for child in module.children()
        )

    def taken_over(self, module: nn.Module) -> list[nn.Module]:
        """Return the activations; the MLP calls them as before."""
        return [module.get_submodule(name) for name in activation_names(module)]

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Raise FormatError where the machine cannot compute an activation."""
        if request.hw is not None:
            for name in activation_names(request.module):
                recognise(request.module.get_submodule(name), request.where)

    def build(self, request: BuildRequest) -> Built:
        """Return a module for each activation."""
        module, fmt = request.module, request.selector.formats.data_in
        return Built(
            modules={
                name: QuantActivation(
                    module.get_submodule(name), fmt, hw=request.hw, where=request.where
                )
                for name in activation_names(module)
            }
        )


KIND = MlpKind()
