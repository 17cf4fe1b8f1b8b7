"""The quantised module that a plan makes of a module."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import HardwareConfig, Mx

from ..modules.exact_linear import ExactLinear, operand_formats
from ..modules.fake_linear import FakeLinear
from ..modules.hadamard import rotate, rotation_size
from ..modules.quant_activation import QuantActivation
from ..modules.quant_embedding import QuantEmbedding
from ..modules.quant_norm import QuantNorm, gain_and_bias
from ..plan.module_kind import activation_names
from ..plan.plan import Plan
from ..recipe.formats import Format, ModuleFormats, RotationMode
from ..recipe.recipe import Phase
from ..recipe.selector import Selector
from ..weights.packed_weight import PackedWeight, WeightFactory
from .clip_search import clipped


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
    store: WeightFactory,
    calibrated: MxTensor | None = None,
) -> tuple[nn.Module, list[tuple[Tensor, PackedWeight]], int | None]:
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
    linear: nn.Linear,
    selector: Selector,
    hw: HardwareConfig | None,
    store: WeightFactory,
    where: str,
) -> tuple[FakeLinear | ExactLinear, list[tuple[Tensor, PackedWeight]], int | None]:
    formats, rotation = selector.formats, size_of_rotation(linear, selector, where)
    dequant = selector.semantics is RotationMode.DEQUANT
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
