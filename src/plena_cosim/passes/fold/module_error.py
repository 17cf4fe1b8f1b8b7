"""The error that quantising a group makes in what the module around its readers puts out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..recipe.selector import Selector
from .calls import Calls
from .groups import Group
from .output_error import quantised_operand, quantised_weight

_POWERS = {"mse": 2.0, "mae": 1.0}


def module_of(group: Group) -> str:
    """Return the name of a group's only reader, or of the module that all readers are in."""
    names = [target.module.split(".") for target in group.targets]
    shared = []
    for parts in zip(*names, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


class ModuleError:
    """The mean of |Y - Y'|^p over the outputs of a module, Y' with the readers quantised.

    A reader takes Q(X / s) and Q(W diag(s)) in the recipe's own formats, behind its own online
    rotation; one that is not quantised X / s and W diag(s).
    """

    def __init__(
        self,
        group: Group,
        calls: Calls,
        model: nn.Module,
        chosen: Mapping[str, Selector],
        *,
        loss: str,
    ) -> None:
        """Compute the exact outputs.

        Args:
            group: of channels.
            calls: of the module of `module_of`.
            model: that it is in.
            chosen: selector by the name of each quantised module.
            loss: "mse" for p = 2, "mae" for 1.
        """
        self.group, self.calls, self.model, self.chosen = group, calls, model, chosen
        self.power = _POWERS[loss]
        self.exact = calls.again()

    def of(self, scales: Tensor) -> float:
        """Return the error for scales of the source's channels, (channels,)."""
        with self._quantised(self.group.spread(scales)):
            found = self.calls.again()
        errors = [
            (exact - made).double().abs().pow(self.power)
            for exact, made in zip(self.exact, found, strict=True)
        ]
        return float(torch.cat([error.flatten() for error in errors]).mean())

    @contextmanager
    def _quantised(self, spread: Tensor) -> Iterator[None]:
        """Have the readers take quantised operands; weights are as before then."""
        before = [target.weight.detach().clone() for target in self.group.targets]
        handles = []
        try:
            for name in dict.fromkeys(target.module for target in self.group.targets):
                hook = partial(_replace_input, spread, self.chosen.get(name))
                module = self.model.get_submodule(name)
                handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
            for target in self.group.targets:
                rows = _wide(target.rows().detach())
                large, selector = rows * spread.to(rows), self.chosen.get(target.module)
                if selector is not None:
                    large = quantised_weight(large, selector)
                target.rows().copy_(large)
            yield
        finally:
            for handle in handles:
                handle.remove()
            for target, weight in zip(self.group.targets, before, strict=True):
                target.weight.copy_(weight)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _replace_input(
    spread: Tensor,
    selector: Selector | None,
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the first floating-point tensor as the quantised module has it."""
    names = [*range(len(args)), *kwargs]
    values = dict(zip(names, [*args, *kwargs.values()], strict=True))
    first = next(
        name
        for name, value in values.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    )
    x = values[first]
    small = _wide(x) / spread.to(_wide(x))
    made = small if selector is None else quantised_operand(small, selector)
    values[first] = made.to(x.dtype)
    return tuple(values[place] for place in range(len(args))), {key: values[key] for key in kwargs}
