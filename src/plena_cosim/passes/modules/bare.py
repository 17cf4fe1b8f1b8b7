"""bare: a module as its class made it, for a test vector that nobody who listens is to see."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from typing import TypeVar

from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


def bare(module: _Module) -> _Module:
    """Return the module without hooks and without a forward that was put over its class's own.

    It shares parameters and children with the one that was given; what
    `torch.func.functional_call` puts in their place is in its own table.

    Args:
        module: any module; it stays as it is.
    """
    made = copy(module)
    for name in [name for name in vars(module) if name.endswith("_hooks")]:
        setattr(made, name, OrderedDict())
    vars(made).pop("forward", None)
    made._parameters = dict(module._parameters)
    return made
