"""Run one layer, all of it or as far as is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn


class Stop(Exception):  # noqa: N818  (it is no error)
    """Raised by a hook or an observer once all that is needed has been seen."""


@torch.no_grad()
def run(layer: nn.Module, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
    """Return what a layer makes of one batch, on the layer's device.

    Args:
        layer: of a model, or its quantised copy.
        hidden: (samples, tokens, width), hidden states on any device.
        arguments: what it is called with besides.

    Returns:
        Hidden states of the same shape: the first part of what the layer returns.
    """
    device = next(layer.parameters()).device
    found = layer(hidden.to(device), **moved(arguments, device))
    output: Tensor = found if isinstance(found, Tensor) else found[0]
    return output


def run_all(layer: nn.Module, hidden: list[Tensor], arguments: dict[str, Any]) -> list[Tensor]:
    """Return what a layer makes of all batches, on the CPU.

    Args:
        layer: of a model, or its quantised copy.
        hidden: batches (samples, tokens, width).
        arguments: what the layer is called with besides, good for any batch.
    """
    return [run(layer, batch, arguments).cpu() for batch in hidden]


def input_of(
    module: nn.Module, layer: nn.Module, hidden: Tensor, arguments: dict[str, Any]
) -> Tensor:
    """Return what a module of a layer is called with, for one batch; the layer stops there.

    Args:
        module: of the layer.
        layer: that it is in.
        hidden: (samples, tokens, width), hidden states on any device.
        arguments: what the layer is called with besides.

    Returns:
        The module's first argument, as it is, on the layer's device.
    """
    found: list[Tensor] = []

    def note(_: nn.Module, args: tuple[Any, ...]) -> None:
        found.append(args[0])
        raise Stop

    hook = module.register_forward_pre_hook(note)
    try:
        with suppress(Stop):
            run(layer, hidden, arguments)
    finally:
        hook.remove()
    return found[0]


@contextmanager
def replaced(forwards: Sequence[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Have modules compute with other functions in the place of their forward."""
    own = [vars(module).get("forward") for module, _ in forwards]
    try:
        for module, forward in forwards:
            module.forward = forward
        yield
    finally:
        for (module, _), before in zip(forwards, own, strict=True):
            vars(module).pop("forward", None)
            if before is not None:
                module.forward = before


def moved(given: Any, device: torch.device) -> Any:
    """Return a tensor, or tuples and dicts of tensors and other things, on a device."""
    if isinstance(given, Tensor):
        return given.to(device)
    if isinstance(given, tuple):
        return tuple(moved(part, device) for part in given)
    if isinstance(given, dict):
        return {key: moved(part, device) for key, part in given.items()}
    return given
