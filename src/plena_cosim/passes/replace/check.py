"""Whether modules can become what a recipe says, before any of them is changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.golden import FormatError, HardwareConfig

from ..attention import hooks as attention
from ..modules.exact_linear import operand_formats
from ..modules.experts import is_transposed
from ..modules.quant_activation import recognise
from ..modules.quant_norm import gain_and_bias
from ..plan.module_kind import Kind, activation_names
from ..plan.plan import Plan, attention_formats
from ..recipe.formats import RotationMode
from ..recipe.recipe import KvHandover
from ..recipe.selector import Selector
from .build import size_of_rotation


def check(plan: Plan, hw: HardwareConfig | None, handover: KvHandover) -> None:
    """Raise FormatError where a module cannot become what a recipe says; change nothing."""
    for selector in plan.different():
        where = plan.where(selector)
        semantics = (selector.semantics, selector.formats.attention.semantics)
        if hw is not None and RotationMode.DEQUANT in semantics:
            raise FormatError(
                f'{where}: semantics = "dequant" rotates operands back once they are quantised, '
                "and what that gives are no MX codes, which alone the matrix unit multiplies; use "
                'semantics = "fused" in [rotation], or fake numerics'
            )
        for role, values in _own_tensors(plan.module, plan.kind):
            if not values.is_meta and not bool(values.isfinite().all()):
                raise FormatError(f"{where}: its {role} holds a NaN or Inf and cannot be quantised")
        if plan.kind is Kind.ATTENTION:
            formats = selector.formats.attention
            attention.check(plan.module, formats, hw=hw, handover=handover, where=where)
        _check_kind(plan, selector, hw, where)
        if hw is not None:
            for dtype in {parameter.dtype for parameter in plan.module.parameters()}:
                if dtype.is_floating_point:
                    require_holds(dtype, hw, where)

    if plan.kind is Kind.ATTENTION:
        where = plan.where(plan.different()[0])
        attention.check_phases(plan.module, attention_formats(plan), where)


def _own_tensors(module: nn.Module, kind: Kind) -> list[tuple[str, Tensor]]:
    if kind in (Kind.ATTENTION, Kind.MLP):
        return []
    return [
        (name, parameter.detach()) for name, parameter in module.named_parameters(recurse=False)
    ]


def _check_kind(plan: Plan, selector: Selector, hw: HardwareConfig | None, where: str) -> None:
    formats, module = selector.formats, plan.module
    if isinstance(module, nn.Linear):
        if hw is not None:
            operand_formats(formats, where)
        size_of_rotation(module, selector, where)
    elif plan.kind is Kind.NORM:
        gain_and_bias(module, where)
    elif plan.kind is Kind.MLP and hw is not None:
        for name in activation_names(module):
            recognise(module.get_submodule(name), where)
    elif plan.kind is Kind.EXPERTS:
        is_transposed(module, where)
        if hw is not None:
            operand_formats(formats, where)
        if len(set(plan.selectors.values())) > 1:
            raise FormatError(
                f"{where}: experts cannot change their formats between phases; give prefill and "
                "decode the same table, or put it outside of [phase]"
            )


def require_holds(dtype: torch.dtype, machine: HardwareConfig, where: str) -> None:
    """Raise FormatError unless a model's dtype holds every value of the machine's vectors."""
    vector, info = machine.vector_format, torch.finfo(dtype)
    fits = (
        (value_dtype(vector) == torch.float32 or dtype == torch.float64)
        and 2.0**-vector.man_bits >= info.eps
        and vector.max_value <= info.max
    )
    if not fits:
        raise FormatError(
            f"{where}: {dtype} cannot hold the machine's vector format {vector.name}; "
            "load the model in float32"
        )
