"""Twin: one module of a model and what a recipe makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.golden import FormatError, HardwareConfig, Mx

from ..attention import hooks as attention
from ..modules.exact_linear import ExactLinear, operand_formats
from ..modules.experts import is_transposed
from ..modules.fake_linear import FakeLinear
from ..modules.hadamard import rotate, rotation_size
from ..modules.quant_activation import QuantActivation, recognise
from ..modules.quant_embedding import QuantEmbedding
from ..modules.quant_norm import QuantNorm, gain_and_bias
from ..plan.module_kind import Kind, activation_names
from ..recipe.formats import AttentionFormats, Format, ModuleFormats, Semantics
from ..recipe.load import KvHandover, Phase, Selector
from ..weights.packed_weight import Store, StoredWeight
from .clip_search import clipped


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a recipe makes of one module.

    Attributes:
        name: of the module in the model.
        module: as it was.
        kind: what it is.
        selectors: by phase; the same one twice where the phases do not differ. None: left alone.
        source: the recipe's name, for messages.
    """

    name: str
    module: nn.Module
    kind: Kind
    selectors: Mapping[Phase, Selector | None]
    source: str

    def where(self, selector: Selector) -> str:
        """Return the place that an error message names."""
        return f"{self.source} [{selector.key}]: module {self.name!r}"

    def different(self) -> list[Selector]:
        """Return the selectors, each once."""
        found: list[Selector] = []
        for selector in self.selectors.values():
            if selector is not None and selector not in found:
                found.append(selector)
        return found


def check(plan: Plan, hw: HardwareConfig | None, handover: KvHandover) -> None:
    """Raise FormatError where a module cannot become what a recipe says; change nothing."""
    for selector in plan.different():
        where = plan.where(selector)
        semantics = (selector.semantics, selector.formats.attention.semantics)
        if hw is not None and Semantics.DEQUANT in semantics:
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


def attention_formats(plan: Plan) -> dict[Phase, AttentionFormats]:
    """Return the formats of an attention module by phase; none where it is left alone."""
    return {
        phase: AttentionFormats() if selector is None else selector.formats.attention
        for phase, selector in plan.selectors.items()
    }


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


def input_formats(plan: Plan, hw: HardwareConfig | None) -> dict[Phase, Format | None] | None:
    """Return a linear layer's input format by phase, if that is all that changes between phases."""
    chosen = {phase: given for phase, given in plan.selectors.items() if given is not None}
    if not isinstance(plan.module, nn.Linear) or len(chosen) < len(Phase):
        return None
    alike = {
        (replace(s.formats, data_in=None), s.clip_search, s.online_rotate) for s in chosen.values()
    }
    if len(alike) > 1:
        return None
    if hw is None:
        return {phase: selector.formats.data_in for phase, selector in chosen.items()}
    operands = {p: operand_formats(s.formats, plan.where(s)) for p, s in chosen.items()}
    if len({weight for weight, _ in operands.values()}) > 1:
        return None
    return {phase: data_in for phase, (_, data_in) in operands.items()}


def build(
    plan: Plan,
    selector: Selector,
    hw: HardwareConfig | None,
    store: Store,
    calibrated: MxTensor | None = None,
) -> tuple[nn.Module, list[tuple[Tensor, StoredWeight]], int | None]:
    """Return the twin of a linear layer, embedding or norm.

    A linear layer takes the weight that was `calibrated` for it, in the basis of its rotation.

    Returns:
        The twin, pairs of its weight before and after, and the size of its rotation.
    """
    module, formats, where = plan.module, selector.formats, plan.where(selector)
    if isinstance(module, nn.Linear):
        made, weights, rotation = _linear(module, selector, hw, store, where)
        if calibrated is not None:
            made.stored = weights[0][1].with_values(calibrated)
            weights = [(weights[0][0], made.stored)]
        return made, weights, rotation
    if isinstance(module, nn.Embedding):
        embedding = QuantEmbedding(module, formats, hw=hw, store=store)
        return embedding, [(module.weight.detach(), embedding.stored)], None
    norm = QuantNorm(module, formats, hw=hw, where=where, store=store)
    return norm, [(gain_and_bias(module, where)[0], norm.stored)], None


def activations(
    module: nn.Module, formats: ModuleFormats, hw: HardwareConfig | None, where: str
) -> dict[str, QuantActivation]:
    """Return the twins of an MLP's activations by the names of the children they replace."""
    return {
        name: QuantActivation(module.get_submodule(name), formats.data_in, hw=hw, where=where)
        for name in activation_names(module)
    }


def _linear(
    linear: nn.Linear, selector: Selector, hw: HardwareConfig | None, store: Store, where: str
) -> tuple[FakeLinear | ExactLinear, list[tuple[Tensor, StoredWeight]], int | None]:
    formats, rotation = selector.formats, size_of_rotation(linear, selector, where)
    dequant = selector.semantics is Semantics.DEQUANT
    before = linear.weight.detach()
    source = linear
    if not before.is_meta:
        if rotation is not None and not dequant:
            before = rotate(before, rotation)
        target = before
        if selector.clip_search and isinstance(formats.weight, Mx):
            target = clipped(before, formats.weight, selector.clip_search)
        source = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
        source.weight = nn.Parameter(target, requires_grad=False)
        source.bias = linear.bias
    twin: FakeLinear | ExactLinear
    if hw is None:
        twin = FakeLinear(source, formats, rotation=rotation, dequant=dequant, store=store)
    else:
        twin = ExactLinear(source, formats, hw, where=where, rotation=rotation, store=store)
    return twin, [(before, twin.stored)], rotation


def size_of_rotation(linear: nn.Linear, selector: Selector, where: str) -> int | None:
    """Return the size of the Hadamard blocks that a selector asks for, None for none."""
    wanted = selector.online_rotate
    if not wanted:
        return None
    return rotation_size(linear.in_features, None if wanted < 0 else wanted, where)


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
