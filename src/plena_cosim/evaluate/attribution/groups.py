"""Groups of operands: by type of operation, by layer, by role."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from plena_cosim.golden import FormatError
from plena_cosim.passes.recipe.role_format import ROLES
from plena_cosim.passes.selective import Operand


def op_of(operand: Operand) -> str:
    """Return the type of operation: the last word of the module, or what happens in attention.

    >>> from plena_cosim.golden import mxint
    >>> op_of(Operand(module="model.layers.3.mlp.up_proj", role="data_in", fmt=mxint(8)))
    'up_proj'
    """
    if operand.role not in ROLES:
        return operand.role
    words = [word for word in operand.module.split(".") if not word.isdigit()]
    return words[-1] if words else operand.module


def layer_of(operand: Operand) -> str:
    """Return the layer, the first number in the module's name; the module outside of layers.

    >>> from plena_cosim.golden import mxint
    >>> layer_of(Operand(module="model.layers.3.mlp.up_proj", role="weight", fmt=mxint(8)))
    'layer 3'
    """
    number = re.search(r"(?<=\.)\d+(?=\.|$)", operand.module)
    return f"layer {number[0]}" if number else operand.module


def role_of(operand: Operand) -> str:
    """Return the role: weight, data_in, bias, or what happens in attention."""
    return operand.role


AXES: dict[str, Callable[[Operand], str]] = {"op": op_of, "layer": layer_of, "role": role_of}
"""What operands can be grouped by."""


def grouped(operands: Sequence[Operand], axis: str) -> dict[str, list[Operand]]:
    """Return operands by group, in the order of the model.

    Args:
        operands: of a recipe.
        axis: a key of `AXES`, or two of them with × between.

    Raises:
        FormatError: there is no such axis.
    """
    parts = axis.split("×")
    if unknown := [part for part in parts if part not in AXES]:
        raise FormatError(f"unknown axis {unknown[0]!r}; known: {', '.join(AXES)}")
    found: dict[str, list[Operand]] = {}
    for operand in operands:
        found.setdefault("×".join(AXES[part](operand) for part in parts), []).append(operand)
    return found
