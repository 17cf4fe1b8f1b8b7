"""What calibration shows of the channels of a group."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from plena_cosim.golden import FormatError

from .calls import Calls
from .groups import Group

_TINY = 1e-60


class Channels:
    """Figures of the inputs that a group's targets take, gathered by hooks.

    Attributes:
        largest: largest magnitude by input channel, (in,) float64.
        rows: of the tokens that are kept: their inputs, one tensor a sample.
        experts: of the same tokens and for each target with experts: those that they go to.
        calls: of the module that is inspected, if one is.
    """

    def __init__(self, group: Group, calls: Calls | None = None) -> None:
        self.group, self.calls = group, calls
        self.largest = torch.zeros(())
        self.rows: list[Tensor] = []
        self.experts: dict[str, list[Tensor]] = {}
        self.keep: Tensor | None = None
        self._total, self._count = torch.zeros(()), 0
        self._energy = torch.zeros(())

    @property
    def energy(self) -> Tensor:
        """Mean square by input channel, of tokens brought to one size, (in,) float64."""
        return self._energy / self._count

    @property
    def mean(self) -> Tensor:
        """Mean magnitude by input channel, (in,) float64."""
        return self._total / self._count

    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        """Return the hooks that fill this object while a layer runs."""
        first = model.get_submodule(self.group.targets[0].module)
        handles = [first.register_forward_pre_hook(self._see, with_kwargs=True)]
        if self.calls is not None:
            handles.append(self.calls.watch())
        for target in self.group.targets:
            if target.weight.ndim == 3:
                experts = model.get_submodule(target.module)
                hook = self._route(target.name)
                handles.append(experts.register_forward_pre_hook(hook, with_kwargs=True))
        return handles

    def require_finite(self) -> None:
        """Raise FormatError where an activation was NaN or infinite."""
        if not bool(self.largest.isfinite().all()):
            channel = int((~self.largest.isfinite()).nonzero()[0, 0])
            raise FormatError(
                f"{self.group.targets[0].module}: input channel {channel} is NaN or infinite on "
                "the calibration tokens, so no scale follows from it; check the model and its dtype"
            )

    def _see(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        x = _first([*args, *kwargs.values()], floating=True)
        rows = x.reshape(-1, x.shape[-1])
        sizes = rows.abs().double()
        self.largest = torch.maximum(self.largest.to(sizes), sizes.amax(0))
        self._total = self._total.to(sizes) + sizes.sum(0)
        squares = sizes.square()
        length = squares.mean(1, keepdim=True)
        self._energy = self._energy.to(sizes) + (squares / length.clamp_min(_TINY)).sum(0)
        self._count += len(rows)
        if self.keep is not None:
            self.rows.append(rows[self.keep])

    def _route(self, name: str) -> Any:
        def see(module: nn.Module, args: Any, kwargs: Any) -> None:
            if self.keep is not None:
                index = _first([*args, *kwargs.values()], floating=False)
                self.experts.setdefault(name, []).append(
                    index.reshape(-1, index.shape[-1])[self.keep]
                )

        return see


def _first(values: list[Any], *, floating: bool) -> Tensor:
    found: Tensor = next(
        value
        for value in values
        if isinstance(value, Tensor) and value.is_floating_point() is floating
    )
    return found
