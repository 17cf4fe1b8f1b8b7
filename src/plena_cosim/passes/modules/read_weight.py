"""ReadWeight: the weight of an exact layer, which a model's own code must not multiply."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import FormatError

_PRODUCTS = (
    *(functional.linear, functional.conv1d, functional.conv2d, torch.matmul, Tensor.matmul),
    *(Tensor.__matmul__, Tensor.__rmatmul__, torch.mm, Tensor.mm, torch.bmm, Tensor.bmm),
    *(torch.mv, Tensor.mv, torch.einsum, torch.addmm, torch.baddbmm, torch.tensordot),
)


class ReadWeight(Tensor):
    """Values of a weight, and of what is made of them; a model that multiplies them is stopped.

    Attributes:
        layer: which one it is, for messages.
    """

    layer: str

    @classmethod
    def of(cls, values: Tensor, layer: str) -> ReadWeight:
        """Return values of a layer's weight; they share memory with what is given."""
        made = values.detach().as_subclass(cls)
        made.layer = layer
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch, or raise FormatError if it is a product of a running model."""
        given = [*args, *(kwargs or {}).values()]
        layer = next((tensor.layer for tensor in _flat(given) if isinstance(tensor, cls)), "")
        if func in _PRODUCTS and _in_a_forward():
            raise FormatError(f"{layer}: {MULTIPLIED_OUTSIDE.format('the model')}")
        found = super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        for made in _flat([found]):
            if isinstance(made, cls):
                made.layer = layer
        return found


MULTIPLIED_OUTSIDE = (
    "{} multiplies by its weight without calling it, so that its input stays in float and the "
    "product is torch's, which exact numerics cannot have; exclude it, or use fake numerics"
)
"""What exact numerics say of such a layer."""


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(list(value))
        else:
            yield value


def _in_a_forward() -> bool:
    """Return whether a module is being called; what others compute of a weight is their own."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not nn.Module._call_impl.__code__:
        frame = frame.f_back
    return frame is not None
