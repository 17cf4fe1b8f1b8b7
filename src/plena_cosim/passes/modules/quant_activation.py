"""QuantActivation: SiLU or GELU on a quantised input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, HardwareConfig, Minifloat

from ..recipe.formats import Format
from .operand import narrow


def _gelu_sigmoid(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _gelu_tanh(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Minifloat], Tensor]]] = {
    "silu": (functional.silu, fakequant.silu),
    "gelu_tanh": (_gelu_tanh, fakequant.gelu_tanh),
    "gelu_sigmoid": (_gelu_sigmoid, fakequant.gelu_sigmoid),
}
"""By name of the operation: what torch computes, and the machine's sequence of steps."""


class QuantActivation(nn.Module):
    """An activation on a quantised input.

    Attributes:
        inner: the model's own activation; it computes with fake numerics.
        fmt: what the input is quantised to.
        operation: golden.ops' name for what the machine computes with exact numerics.
    """

    def __init__(
        self, inner: nn.Module, fmt: Format | None, *, hw: HardwareConfig | None, where: str
    ) -> None:
        super().__init__()
        self.inner, self.fmt, self.hw = inner, fmt, hw
        self.operation = None if hw is None else recognise(inner, where)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation in the dtype of `x`."""
        narrowed = narrow(x, self.fmt)
        if self.hw is None or self.operation is None:
            activated: Tensor = self.inner(narrowed)
            return activated
        vector = self.hw.vector_format
        with torch.no_grad():
            exact = FUNCTIONS[self.operation][1]
            return exact(fakequant.cast(narrowed, vector), vector).to(x.dtype)

    def extra_repr(self) -> str:
        """Show format and operation."""
        named = [] if self.fmt is None else [f"data_in={self.fmt.name}"]
        return ", ".join(named if self.operation is None else [*named, self.operation])


def recognise(inner: nn.Module, where: str) -> str:
    """Return the name of the operation that a module computes, found by comparing values.

    Raises:
        FormatError: the machine has no such operation.
    """
    x = torch.linspace(-8.0, 8.0, 4097)
    y = inner(x)
    for name, (function, _) in FUNCTIONS.items():
        if torch.allclose(y, function(x), rtol=1e-5, atol=1e-6):
            return name
    raise FormatError(
        f"{where}: the machine computes {', '.join(FUNCTIONS)}, but {type(inner).__name__} is none "
        "of them; exclude it, use fake numerics, or change the model's activation"
    )
