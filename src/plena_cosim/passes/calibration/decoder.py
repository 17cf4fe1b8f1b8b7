"""The stack of layers of a model, and running its layers one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A model's stack of layers.

    Attributes:
        name: of the stack in the model, such as `model.layers`.
        layers: in the order in which they run.
    """

    name: str
    layers: list[nn.Module]

    @classmethod
    def of(cls, model: nn.Module, inside: list[str], where: str) -> Decoder:
        """Return the outermost stack that holds all modules named in `inside`.

        Raises:
            FormatError: no stack holds them all.
        """
        for name, module in model.named_modules():
            if not isinstance(module, nn.ModuleList):
                continue
            outside = [other for other in inside if not other.startswith(f"{name}.")]
            if not outside:
                return cls(name=name, layers=list(module))
            if len(outside) < len(inside):
                raise FormatError(
                    f"{where}: {outside[0]!r} is outside of the model's layers ({name}), and only "
                    "modules of layers can be calibrated"
                )
        raise FormatError(
            f"{where}: {inside[0]!r} is in no stack of layers (nn.ModuleList), and calibration "
            "goes layer by layer"
        )

    def layer_name(self, index: int) -> str:
        """Return the name of a layer in the model."""
        return f"{self.name}.{index}"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What goes into a stack of layers.

    Attributes:
        hidden: batches (samples, tokens, width) for the first layer, on the CPU.
        arguments: by layer: what each is called with besides, good for any batch.
    """

    hidden: list[Tensor]
    arguments: list[dict[str, Any]]


class Stop(Exception):  # noqa: N818  (it is no error)
    """Raised by a hook or an observer once all that is needed has been seen."""


@torch.no_grad()
def capture(model: nn.Module, decoder: Decoder, tokens: Tensor, batch: int) -> Stream:
    """Run a model as far as its first layer; no other layer computes anything.

    Attention gets masks as tensors meanwhile, which every attention function understands.

    Args:
        model: as it is.
        decoder: of the model.
        tokens: (samples, seqlen) int64.
        batch: samples in a batch.
    """
    arguments: list[dict[str, Any]] = []
    hidden: list[Tensor] = []
    device = next(model.parameters()).device
    with _eager(model):
        with _skipping(decoder.layers, arguments):
            model(tokens[:1].to(device), use_cache=False)

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = args[0] if args else kwargs["hidden_states"]
            hidden.append(given.cpu())
            raise Stop

        hook = decoder.layers[0].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            for part in torch.split(tokens, batch):
                try:
                    model(part.to(device), use_cache=False)
                except Stop:
                    continue
        finally:
            hook.remove()
    return Stream(hidden=hidden, arguments=arguments)


@torch.no_grad()
def run(layer: nn.Module, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
    """Return what a layer makes of one batch, on the layer's device."""
    device = next(layer.parameters()).device
    found = layer(hidden.to(device), **_moved(arguments, device))
    output: Tensor = found if isinstance(found, Tensor) else found[0]
    return output


def run_until(
    layer: nn.Module, seen: list[nn.Module], hidden: Tensor, arguments: dict[str, Any]
) -> list[Tensor]:
    """Return the inputs of some modules of a layer, in their order, for one batch.

    The layer stops once the last of them was called. All of them have to be.
    """
    found: dict[int, Tensor] = {}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        found[id(module)] = args[0]
        if len(found) == len(seen):
            raise Stop

    hooks = [module.register_forward_pre_hook(note) for module in seen]
    try:
        run(layer, hidden, arguments)
    except Stop:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return [found[id(module)] for module in seen]


@contextmanager
def _skipping(layers: list[nn.Module], arguments: list[dict[str, Any]]) -> Iterator[None]:
    """Have layers note what they are called with, and only the first one compute."""
    output: list[Any] = []

    def instead(first: bool, forward: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            arguments.append({k: v for k, v in kwargs.items() if k != "hidden_states"})
            if first:
                output.append(forward(*args, **kwargs))
            return output[0]

        return call

    try:
        for index, layer in enumerate(layers):
            layer.forward = instead(index == 0, layer.forward)
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)


@contextmanager
def _eager(model: nn.Module) -> Iterator[None]:
    """Have the model make attention masks as tensors, not leave them to a fused kernel."""
    configs = {id(c): c for m in model.modules() if (c := getattr(m, "config", None)) is not None}
    before = {
        key: given
        for key, config in configs.items()
        if (given := getattr(config, "_attn_implementation", None)) is not None
    }
    try:
        for key in before:
            configs[key]._attn_implementation = "eager"
        yield
    finally:
        for key, given in before.items():
            configs[key]._attn_implementation = given


def _moved(given: Any, device: torch.device) -> Any:
    if isinstance(given, Tensor):
        return given.to(device)
    if isinstance(given, tuple):
        return tuple(_moved(part, device) for part in given)
    if isinstance(given, dict):
        return {key: _moved(part, device) for key, part in given.items()}
    return given
