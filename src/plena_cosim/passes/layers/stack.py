"""Stack: the layers of a model, and how to find them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import nn

from plena_cosim.golden import FormatError


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A model's stack of layers.

    Attributes:
        name: of the stack in the model, such as `model.layers`.
        layers: in the order in which they run.
    """

    name: str
    layers: list[nn.Module]

    def layer_name(self, index: int) -> str:
        """Return the name of a layer in the model."""
        return f"{self.name}.{index}"

    def index_of(self, module: str) -> int | None:
        """Return the index of the layer that a module of the model is in, None outside of all."""
        head, _, rest = module.partition(f"{self.name}.")
        index = rest.partition(".")[0]
        return int(index) if not head and index.isdecimal() else None


def require_own_modules(stack: Stack, modules: Mapping[str, nn.Module], where: str) -> None:
    """Refuse a module that stands in several layers: each layer would be fitted without the others.

    Args:
        stack: of a model.
        modules: of that model, by name; what is to be changed.
        where: who asks, for the message.

    Raises:
        FormatError: two layers share one of them.
    """
    holders: dict[int, list[int]] = {}
    for index, layer in enumerate(stack.layers):
        for part in layer.modules():
            holders.setdefault(id(part), []).append(index)
    for name, module in modules.items():
        layers = holders.get(id(module), [])
        if len(layers) > 1:
            raise FormatError(
                f"{where}: {name!r} is one module in layers {', '.join(map(str, layers))} of "
                f"{stack.name}, and layers are calibrated one by one; exclude it, or quantise "
                "without calibration"
            )


def stack_of(model: nn.Module, names: Collection[str], where: str) -> Stack:
    """Return the outermost stack that holds most of the modules that are called so.

    Args:
        model: any model with an nn.ModuleList.
        names: of modules in it.
        where: who asks, for the message.

    Raises:
        FormatError: no stack holds any of them.
    """
    stacks = {n: module for n, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    held = {stack: sum(name.startswith(f"{stack}.") for name in names) for stack in stacks}
    if not any(held.values()):
        raise FormatError(
            f"{where}: the recipe names no module in a stack of layers (nn.ModuleList), and layers "
            "are run one by one; give selectors for the modules of the layers"
        )
    name = max(held, key=held.__getitem__)  # an outer stack comes before those in it
    return Stack(name=name, layers=list(stacks[name]))
