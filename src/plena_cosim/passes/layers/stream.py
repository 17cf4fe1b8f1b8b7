"""What enters the first layer of a model, and what each layer is called with besides."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from .run import Stop, replaced

Answer = Callable[[Tensor, dict[str, Any]], Any]
"""Called with hidden states and, by name, all else that a layer is called with."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Layers and what goes into them.

    Attributes:
        layers: in the order in which they run.
        hidden: batches (samples, tokens, width) for the first layer, on the CPU.
        arguments: by layer: what each is called with besides, good for any batch.
    """

    layers: list[nn.Module]
    hidden: list[Tensor]
    arguments: list[dict[str, Any]]


def capture(model: nn.Module, layers: list[nn.Module], tokens: Tensor, batch: int = 1) -> Stream:
    """Return what enters a model's layers: of these only the first one runs, on one sample.

    Args:
        model: as it is, with attention masks in the form that it gives to layers.
        layers: of the model.
        tokens: (samples, seqlen) int64; with one length, masks and positions hold for all samples.
        batch: samples in a batch.

    Raises:
        FormatError: tokens are something else.
    """
    require_tokens(tokens)
    arguments, _ = calls(model, layers, tokens[:1])
    hidden = entering(model, layers, tokens, batch)
    return Stream(layers=layers, hidden=hidden, arguments=arguments)


def require_tokens(tokens: Tensor) -> None:
    """Raise FormatError for anything but whole numbers of shape (samples, seqlen)."""
    if tokens.ndim != 2 or not tokens.numel() or tokens.is_floating_point():
        raise FormatError(
            f"calibration tokens must be whole numbers of shape (samples, seqlen), got "
            f"{tokens.dtype} {tuple(tokens.shape)}"
        )


def calls(
    model: nn.Module,
    layers: list[nn.Module],
    tokens: Tensor,
    first: Callable[..., Any] | None = None,
) -> tuple[list[dict[str, Any]], Any]:
    """Return what each layer is called with besides hidden states, and what the first one returns.

    Args:
        model: whose layers return what the first one does.
        layers: of the model.
        tokens: (samples, seqlen) int64.
        first: computes in the place of the first layer.

    Returns:
        Arguments by name, one dict a layer in the order of calls; and the first layer's answer.
    """
    compute = first or layers[0].forward
    arguments: list[dict[str, Any]] = []
    found: list[Any] = []

    def note(hidden: Tensor, given: dict[str, Any]) -> Any:
        arguments.append(given)
        if not found:
            found.append(compute(hidden, **given))
        return found[0]

    with answering(layers, note):
        read(model, tokens)
    return arguments, found[0]


def entering(
    model: nn.Module, layers: list[nn.Module], tokens: Tensor, batch: int = 1
) -> list[Tensor]:
    """Return batches of what enters the first layer, on the CPU; no layer computes.

    Args:
        model: of which all that comes before its layers runs.
        layers: of the model.
        tokens: (samples, seqlen) int64.
        batch: samples in a batch; the last one may have fewer.

    Returns:
        Hidden states (batch, seqlen, width) in the model's dtype.
    """
    found: list[Tensor] = []

    def stop(hidden: Tensor, _: dict[str, Any]) -> Any:
        found.append(hidden.cpu())
        raise Stop

    with answering(layers[:1], stop):
        for part in torch.split(tokens, batch):
            with suppress(Stop):
                read(model, part)
    return found


@torch.no_grad()
def read(model: nn.Module, tokens: Tensor) -> Any:
    """Return what a model makes of tokens, (samples, seqlen), without a cache."""
    return model(tokens.to(next(model.parameters()).device), use_cache=False)


def answering(layers: list[nn.Module], answer: Answer) -> AbstractContextManager[None]:
    """Have layers return what `answer` does, and compute nothing."""
    return replaced([(layer, _by_name(layer.forward, answer)) for layer in layers])


def _by_name(forward: Callable[..., Any], answer: Answer) -> Callable[..., Any]:
    names = list(inspect.signature(forward).parameters)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        return answer(given.pop(names[0]), given)

    return call
