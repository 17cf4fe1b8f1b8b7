"""Functions of the rotary embedding: what models call their operands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

TURNED = ("q", "k", "xq", "xk", "tensor", "x")
KEYS = ("k", "xk")
TABLES = ("cos", "sin", "freqs_cis")
"""Operands of such functions, by name: keys are among what they turn; tables may be complex."""


def names_its_operands(function: Callable[..., Any]) -> bool:
    """Return whether a function turns tensors of known names by tables of known names.

    Args:
        function: one that a model's attention calls.
    """
    parameters = inspect.signature(function).parameters
    needed = {name for name, each in parameters.items() if each.default is inspect.Parameter.empty}
    turned, tables = set(TURNED) & set(parameters), set(TABLES) & set(parameters)
    return bool(turned) and bool(tables) and needed <= turned | tables


def each_part(x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what `change` makes of `x`; of complex numbers, of their parts one by one.

    Args:
        x: floating-point or complex.
        change: keeps the shape.
    """
    if not x.is_complex():
        return change(x)
    return torch.view_as_complex(change(torch.view_as_real(x)).to(x.real.dtype).contiguous())
