"""Check that values go through attention by head, untouched but for a weighted sum over tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from .probe import read
from .structure import Structure, Values

_TOLERANCE = 64
"""In units of the dtype's precision: two products and a sum over tokens are rounded otherwise."""


def require_values_by_head(model: nn.Module, structure: Structure) -> None:
    """Raise FormatError unless each head of values may be multiplied by any matrix.

    The output of each v_proj is multiplied by a random rotation for each head, and the input of
    o_proj by the opposite: what o_proj takes has to be what it was. A norm of values, a gate behind
    attention or another order of heads would show.
    """
    for layer in structure.layers:
        if layer.values is None:
            raise FormatError(f"{layer.no_values}; values cannot be folded")
    taken = [_taken(model, structure, change) for change in (False, True)]
    for layer, before, after in zip(structure.layers, *taken, strict=True):
        tolerance = _TOLERANCE * torch.finfo(before.dtype).eps
        if not (after - before).double().norm() <= tolerance * before.double().norm():
            raise FormatError(
                f"{layer.attention.name}: what {layer.values and layer.values.target.module} takes "
                "is not the values of each head summed over tokens; values cannot be folded"
            )


def _taken(model: nn.Module, structure: Structure, change: bool) -> list[Tensor]:
    """Return what each o_proj takes, turned back where values were turned."""
    found: list[Tensor] = []
    handles = []
    for layer in structure.layers:
        values = layer.values
        assert values is not None
        turned, back = _turns(values) if change else (_same, _same)
        source = model.get_submodule(values.source.module)
        target = model.get_submodule(values.target.module)
        handles.append(source.register_forward_hook(_on_output(turned)))
        handles.append(target.register_forward_pre_hook(_on_input(back, found)))
    try:
        read(model)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _turns(values: Values) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return how values are turned, one rotation a head, and how o_proj's input is turned back."""
    heads, size = values.source.outputs // values.head_dim, values.head_dim
    noise = torch.randn(heads, size, size, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(noise.double())[0]
    back = rotation.mT.repeat_interleave(values.shared_by, dim=0)

    def turn(x: Tensor, by: Tensor) -> Tensor:
        rows = x.double().reshape(*x.shape[:-1], -1, 1, size) @ by.to(x.device)
        return rows.reshape(x.shape).to(x.dtype)

    return lambda x: turn(x, rotation), lambda x: turn(x, back)


def _same(x: Tensor) -> Tensor:
    return x


def _on_output(change: Callable[[Tensor], Tensor]) -> Any:
    return lambda module, args, output: change(output)


def _on_input(change: Callable[[Tensor], Tensor], found: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        found.append(change(args[0]))
        return (found[-1], *args[1:])

    return hook
