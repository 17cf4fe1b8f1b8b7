"""The matrices that a module owns itself, in the order in which activations meet them."""

from __future__ import annotations

from torch import nn

from plena_cosim.golden import FormatError

from ..modules.experts import is_transposed, weight_names
from ..plan.module_kind import Kind, kind_of
from .matrix import Matrix


def matrices_of(name: str, module: nn.Module) -> list[Matrix]:
    """Return the matrices of one module, not of those inside it.

    Linear layers, embeddings and routers have one; fused experts have two, first the one that
    reads. Other modules have none, whatever their parameters.

    Args:
        name: of the module, for messages.
        module: any module.

    Raises:
        FormatError: experts of another form.
    """
    if kind_of(module) is Kind.EXPERTS:
        return _experts(name, module)
    own = dict(module.named_parameters(recurse=False))
    weight, bias = own.get("weight"), own.get("bias")
    if weight is None or weight.ndim != 2 or not set(own) <= {"weight", "bias"}:
        return []
    if bias is not None and bias.shape != weight.shape[:1]:
        return []
    return [Matrix(name=f"{name}.weight", module=name, weight=weight, bias=bias)]


def _experts(name: str, module: nn.Module) -> list[Matrix]:
    transposed = is_transposed(module, name)
    own = dict(module.named_parameters(recurse=False))
    found = [
        Matrix(
            name=f"{name}.{key}",
            module=name,
            weight=own[key],
            transposed=transposed,
            bias=own.get(f"{key}_bias"),
        )
        for key in weight_names(module)
    ]
    fits = len(found) == 2 and found[0].inputs == found[1].outputs
    if not fits or found[0].outputs not in (found[1].inputs, 2 * found[1].inputs):
        shapes = ", ".join(f"{matrix.name} {tuple(matrix.weight.shape)}" for matrix in found)
        raise FormatError(f"{name}: experts are not gate_up and down of fitting sizes: {shapes}")
    return found
