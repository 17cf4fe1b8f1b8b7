"""quantize_module_transform_pass: replace the modules that a recipe names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor, nn

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.progress import Progress

from .calibration.in_place import is_in_place
from .layers.device import on_device
from .modules.eager_forward import run_eagerly
from .pipeline import prepare
from .plan.left_alone import LeftAlone, matrices_left, note_left_alone
from .plan.plan import Plan
from .plan.plan_model import plans_of
from .recipe.load import read_quant_config
from .recipe.numerics import Numerics
from .recipe.recipe import Recipe
from .replace.check import check
from .replace.module_info import ModuleInfo
from .replace.own_configs import own_configs
from .replace.replace import replace_modules
from .saving.attach_config import attach_config, require_attachable
from .token_collector import attach_token_collector
from .weights.packed_weight import PackedWeight, WeightFactory

_LOG = logging.getLogger(__name__)
_Model = TypeVar("_Model", bound=nn.Module)


def quantize_module_transform_pass(
    model: _Model,
    pass_args: Recipe | Mapping[str, Any],
    *,
    numerics: Numerics | str = Numerics.FAKE,
    hw: HardwareConfig | None = None,
    tokens: Tensor | None = None,
    samples: Iterable[Any] | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> tuple[_Model, dict[str, ModuleInfo]]:
    """Replace each module that a recipe chooses by a quantised one, in place.

    Args:
        model: any module; it is changed, and returned for convenience. Attention and fused experts
            have to be transformers'.
        pass_args: from `load_quant_config`, or the tables of such a file as a dict, each as it is
            or as `{"config": table}`, which is what Mase's loader makes of them.
        numerics: "fake" (quantised operands, torch's arithmetic) or "exact" (the machine's).
        hw: the machine of exact numerics; what the recipe's [hardware] names, else the default one.
        tokens: (samples, seqlen) int64 to calibrate with, in the place of what the recipe names.
        samples: what static ranges are found with, in the place of tokens, for models of other
            things than text: each a tensor that the model is called with, or a mapping of its
            arguments.
        device: where calibration, search and training run, in the place of what the recipe says.
        progress: told what long work is going on, how much of it is done, and how much there is.

    Returns:
        The model, and for each replaced module by name what it became (where prefill and decode
        differ: by name and phase); `left_alone(model)` says which weights stay as they are, and
        why. A weight that is shared with another module (tied embeddings) is
        copied first: the other one keeps its values, and a Hugging Face model is told that the two
        are no longer tied.

    Raises:
        FormatError: a selector matches nothing, a weight is not finite, exact numerics cannot take
            a module, it cannot be calibrated, or a device is not there. Nothing has been replaced
            then.
        TextSourceError: calibration text cannot be had.
    """
    if isinstance(pass_args, Recipe):
        recipe = pass_args
    else:
        recipe = read_quant_config(dict(pass_args))
        for note in recipe.notes:
            _LOG.warning("%s", note)
    require_attachable(model, recipe)
    if recipe.token_collector is not None:
        attach_token_collector(model, recipe.token_collector)
    if not recipe.changes_anything:
        note_left_alone(model, matrices_left(model, recipe, [], None))
        return model, {}
    recipe = on_device(recipe, device)
    dtype = getattr(model, "dtype", None)  # that of some weight, in a transformers model
    machine = machine_of(recipe, numerics, hw)
    plans = plans_of(model, recipe)
    _check(plans, recipe, machine)
    _require_values(plans)
    made = prepare(model, recipe, plans=plans, tokens=tokens, samples=samples, progress=progress)
    recipe = made.recipe
    _check(made.plans, recipe, machine)  # weights and rotations may be others now
    own_configs(model)
    calibrated = made.records if is_in_place(recipe) else ()
    left = matrices_left(model, recipe, made.plans, machine, calibrated=calibrated)
    note_left_alone(model, left)
    _say(left, recipe)
    info = replace_modules(
        model, made.plans, recipe, machine, calibrated=made.weights, ranges=made.ranges
    )
    run_eagerly(model)
    for name, found in made.records.items():
        owner = name if name in info else name.rpartition(".")[0]
        if owner not in info:  # calibrated in place, and no selector's
            continue
        info[owner] = replace(info[owner], calibration=[*(info[owner].calibration or []), *found])
    if made.distilled is not None:
        losses = made.distilled.losses
        _LOG.info("distillation: from %.4f to %.4f nats a token", losses[0], losses[-1])
    for note in made.notes:
        _LOG.warning("%s", note)
    attach_config(
        model,
        recipe,
        numerics=Numerics(numerics).value,
        machine=machine,
        dtype=dtype,
    )
    return model, info


def build_modules(
    model: nn.Module,
    recipe: Recipe,
    *,
    numerics: Numerics | str = Numerics.FAKE,
    hw: HardwareConfig | None = None,
    store: WeightFactory = PackedWeight,
) -> dict[str, ModuleInfo]:
    """Replace modules by rounding to nearest alone, whatever else the recipe asks for.

    Args:
        model: any module; it is changed.
        recipe: checked.
        numerics: "fake" or "exact".
        hw: the machine of exact numerics; what the recipe's [hardware] names, else the default one.
        store: makes the weights; PackedWeight.empty where they come later.

    Returns:
        For each replaced module by name what it became.

    Raises:
        FormatError: as `quantize_module_transform_pass`.
    """
    machine = machine_of(recipe, numerics, hw)
    plans = plans_of(model, recipe)
    _check(plans, recipe, machine)
    note_left_alone(model, matrices_left(model, recipe, plans, machine))
    info = replace_modules(model, plans, recipe, machine, store=store)
    run_eagerly(model)
    return info


def _say(left: LeftAlone, recipe: Recipe) -> None:
    """Log what stays in float, and warn where that is more than is quantised."""
    much = 0 < left.quantized < left.unasked
    before = "leaves more weights in float than it quantises" if much else "left in float"
    lines = "".join(f"\n  {line}" for line in left.lines())
    level = logging.WARNING if much else logging.INFO
    _LOG.log(level, "%s: %s: %s%s", recipe.source, before, left.words(), lines)


def _check(plans: list[Plan], recipe: Recipe, machine: HardwareConfig | None) -> None:
    for plan in plans:
        check(plan, machine, recipe.kv_handover)


def _require_values(plans: list[Plan]) -> None:
    """Raise FormatError where a weight is on the meta device: there is nothing to quantise."""
    for plan in plans:
        for role, parameter in plan.module.named_parameters(recurse=False):
            if parameter.is_meta:
                raise FormatError(
                    f"{plan.where(plan.different()[0])}: its {role} is on the meta device and has "
                    "no values; load the weights first, and offload them only after the pass"
                )


def machine_of(
    recipe: Recipe, numerics: Numerics | str, hw: HardwareConfig | None
) -> HardwareConfig | None:
    """Return the machine of exact numerics, None for fake numerics.

    Args:
        recipe: whose [hardware] counts where `hw` is None.
        numerics: "fake" or "exact".
        hw: what counts before the recipe.

    Raises:
        FormatError: numerics of another name.
    """
    if Numerics.of(numerics) is Numerics.FAKE:
        return None
    return hw or recipe.hardware or HardwareConfig()
