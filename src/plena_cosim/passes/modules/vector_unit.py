"""VectorUnit: torch code run as the vector unit would, one rounding a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from plena_cosim import fakequant
from plena_cosim.golden import Minifloat

_Step = Callable[[Tensor, Tensor, Minifloat], Tensor]


def _mul(a: Tensor, b: Tensor, fmt: Minifloat) -> Tensor:
    """Return a product; of complex numbers, of four products, a difference and a sum."""
    if not (a.is_complex() and b.is_complex()):
        return fakequant.mul(a, b, fmt)
    real = fakequant.sub(
        fakequant.mul(a.real, b.real, fmt), fakequant.mul(a.imag, b.imag, fmt), fmt
    )
    imag = fakequant.add(
        fakequant.mul(a.real, b.imag, fmt), fakequant.mul(a.imag, b.real, fmt), fmt
    )
    return torch.complex(real, imag)


_STEPS: dict[Any, _Step] = {
    torch.add: fakequant.add,
    torch.Tensor.add: fakequant.add,
    torch.sub: fakequant.sub,
    torch.Tensor.sub: fakequant.sub,
    torch.Tensor.__rsub__: lambda a, b, fmt: fakequant.sub(b, a, fmt),
    torch.mul: _mul,
    torch.Tensor.mul: _mul,
}
"""Operators come as these methods, `a * b` as Tensor.mul."""


class VectorUnit(TorchFunctionMode):
    """Within it, sums, differences and products of tensors are rounded once to `fmt`.

    Moving elements about (slices, concatenation, negation) is exact anyway. Operands are values of
    `fmt` already.
    """

    def __init__(self, fmt: Minifloat) -> None:
        super().__init__()
        self.fmt = fmt

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Round the steps that round; run everything else as it is."""
        step = _STEPS.get(func)
        if step is None or kwargs or not all(isinstance(arg, Tensor) for arg in args):
            return func(*args, **(kwargs or {}))
        return step(args[0], args[1], self.fmt)
