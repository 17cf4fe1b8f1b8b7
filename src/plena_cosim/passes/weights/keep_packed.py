"""A quantised model that keeps codes in the place of values: less memory, more time."""

from __future__ import annotations

from torch import nn

from plena_cosim.golden import FormatError

from .packed_weight import PackedWeight


def keep_packed(model: nn.Module) -> int:
    """Have every quantised weight of a model keep its codes, and make values whenever it is read.

    One weight at a time is there as values. What the model computes stays the same on every bit;
    weights in float and in a SpecFormat stay as they are. The state dict does not change.

    Args:
        model: after the pass, or a saved model that was loaded; it is changed.

    Returns:
        How many weights keep codes now.

    Raises:
        FormatError: a weight was converted and lost bits; it is named.
    """
    weights = [(n, each) for n, each in model.named_modules() if isinstance(each, PackedWeight)]
    for name, each in weights:
        try:
            each.keep_packed()
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from None
    return sum(each.keeps_codes for _, each in weights)
