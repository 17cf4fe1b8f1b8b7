"""Guards: what makes a reader that does not know of packed weights stop.

transformers skips a quantisation that it does not know, with a warning, and draws at random what it
does not find. It does stop at a weight of a wrong shape.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .phase import PhaseSwitch
from .quantized_module import QuantizedModule


def guards(model: nn.Module) -> dict[str, Tensor]:
    """Return a tensor for each weight that a file does not hold as such, by its original name.

    One byte, with one axis more than the weight has: it fits nothing.

    Args:
        model: with quantised modules in place.
    """
    found: dict[str, Tensor] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if not isinstance(module, QuantizedModule):
            continue
        owner = name.rpartition(".")[0]
        if isinstance(model.get_submodule(owner), PhaseSwitch):
            name = owner
        for weight in module.held():
            axes = len(weight.stored.shape) + 1
            key = f"{name}.{weight.name}".strip(".")
            found[key] = torch.zeros((1,) * axes, dtype=torch.uint8)
    return found
