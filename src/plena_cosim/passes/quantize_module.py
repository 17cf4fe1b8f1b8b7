"""quantize_module_transform_pass: replace the modules that a recipe names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.progress import Progress

from .pipeline import prepare
from .plan.plan_model import plans_of
from .recipe.load import read_quant_config
from .recipe.recipe import Recipe
from .replace.build import check
from .replace.module_info import ModuleInfo
from .replace.replace import Numerics, install_twins
from .saving.attach_config import remember_recipe, require_rememberable
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
    progress: Progress | None = None,
) -> tuple[_Model, dict[str, ModuleInfo]]:
    """Replace each module that a recipe chooses by its quantised twin, in place.

    Args:
        model: any module; it is changed, and returned for convenience. Attention and fused experts
            have to be transformers'.
        pass_args: from `load_quant_config`, or the tables of such a file as a dict.
        numerics: "fake" (quantised operands, torch's arithmetic) or "exact" (the machine's).
        hw: the machine of exact numerics; what the recipe's [hardware] names, else the default one.
        tokens: (samples, seqlen) int64 to calibrate with, in the place of what the recipe names.
        progress: told what long work is going on, how much of it is done, and how much there is.

    Returns:
        The model, and for each replaced module by name what it became (where prefill and decode
        differ: by name and phase). A weight that is shared with another module (tied embeddings) is
        copied first: the other one keeps its values, and a Hugging Face model is told that the two
        are no longer tied.

    Raises:
        FormatError: a selector matches nothing, a weight is not finite, exact numerics cannot take
            a module, or it cannot be calibrated. Nothing has been replaced then.
        TextSourceError: calibration text cannot be had.
    """
    recipe = pass_args if isinstance(pass_args, Recipe) else read_quant_config(dict(pass_args))
    require_rememberable(model, recipe)
    dtype = getattr(model, "dtype", None)  # that of some weight, in a transformers model
    machine = machine_of(recipe, numerics, hw)
    for plan in plans_of(model, recipe):
        check(plan, machine, recipe.kv_handover)
    made = prepare(model, recipe, tokens=tokens, progress=progress)
    recipe = made.recipe
    info = build_twins(model, recipe, numerics=numerics, hw=hw, calibrated=made.weights)
    for name, found in made.records.items():
        owner = name if name in info else name.rpartition(".")[0]
        info[owner] = replace(info[owner], calibration=[*(info[owner].calibration or []), *found])
    if made.distilled is not None:
        losses = made.distilled.losses
        _LOG.info("distillation: from %.4f to %.4f nats a token", losses[0], losses[-1])
    for note in made.notes:
        _LOG.warning("%s", note)
    remember_recipe(
        model,
        recipe,
        numerics=Numerics(numerics).value,
        machine=machine,
        dtype=dtype,
    )
    return model, info


def build_twins(
    model: nn.Module,
    recipe: Recipe,
    *,
    numerics: Numerics | str = Numerics.FAKE,
    hw: HardwareConfig | None = None,
    store: WeightFactory = PackedWeight,
    calibrated: Mapping[str, MxTensor] | None = None,
) -> dict[str, ModuleInfo]:
    """Do the work of the pass; with `store` = PackedWeight.empty, on weights that come later."""
    machine = machine_of(recipe, numerics, hw)
    plans = plans_of(model, recipe)
    for plan in plans:
        check(plan, machine, recipe.kv_handover)
    return install_twins(model, plans, recipe, machine, store=store, calibrated=calibrated)


def machine_of(
    recipe: Recipe, numerics: Numerics | str, hw: HardwareConfig | None
) -> HardwareConfig | None:
    """Return the machine of exact numerics, None for fake numerics."""
    try:
        kind = Numerics(numerics)
    except ValueError:
        known = ", ".join(member.value for member in Numerics)
        raise FormatError(f"unknown numerics {numerics!r}; known: {known}") from None
    return None if kind is Numerics.FAKE else hw or recipe.hardware or HardwareConfig()
