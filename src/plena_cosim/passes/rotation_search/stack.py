"""stack_of: the layers of a model in which a recipe changes most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import nn

from plena_cosim.golden import FormatError

from ..calibration.decoder import Decoder
from ..twins import Plan


def stack_of(model: nn.Module, plans: Sequence[Plan], source: str) -> Decoder:
    """Return the stack of layers that holds most of the modules that a recipe names.

    Raises:
        FormatError: no stack holds any of them.
    """
    stacks = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module)
    }
    outermost = [
        name for name in stacks if not any(name.startswith(f"{other}.") for other in stacks)
    ]
    counts = Counter(
        stack for plan in plans for stack in outermost if plan.name.startswith(f"{stack}.")
    )
    if not counts:
        raise FormatError(
            f"{source} [rotation_search]: the recipe names no module in a stack of layers, and "
            "rotations are searched in these; give selectors for the modules of the layers"
        )
    name = counts.most_common(1)[0][0]
    return Decoder(name=name, layers=list(stacks[name]))
