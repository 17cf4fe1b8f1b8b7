"""The work behind `plena recipe check --model`: a recipe against a model without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.pipeline import require_possible
from plena_cosim.passes.plan.left_alone import matrices_left
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.recipe import Recipe
from plena_cosim.passes.replace.check import check
from plena_cosim.sources import TextSourceError
from plena_cosim.sources.errors import need
from plena_cosim.sources.model_place import model_place


def check_on_model(recipe: Recipe, name: str, *, cache: Path | None = None) -> list[str]:
    """Say what would be refused of a recipe on a model, without its weights.

    Args:
        recipe: checked by itself.
        name: a folder, an id on the Hugging Face hub, "demo", or a family that transformers knows,
            such as "llama", with the sizes that it has without a configuration.
        cache: where demo downloads live; the user's cache directory when None.

    Returns:
        What to tell the user besides: how many modules are chosen, what stays in float and why, and
        what this machine lacks.

    Raises:
        FormatError: the recipe does not fit the model.
        TextSourceError: there is no such model.
    """
    model = model_without_weights(name, cache=cache)
    plans = plans_of(model, recipe)
    for plan in plans:
        check(plan, None, recipe.kv_handover)
    require_possible(model, recipe, plans)
    left = matrices_left(model, recipe, plans, None)
    lines = [f"on {name}: {len(plans)} modules are chosen; left in float: {left.words()}"]
    lines += [f"  {line}" for line in left.lines()]
    try:
        on_device(recipe, None)
    except FormatError as error:
        lines.append(f"on this machine: {error}")
    return lines


def model_without_weights(name: str, *, cache: Path | None = None) -> Any:
    """Return a causal language model on the meta device.

    Args:
        name: as `check_on_model` takes it.
        cache: where demo downloads live.

    Raises:
        TextSourceError: there is no such model.
    """
    transformers = need("transformers")
    families = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if name in families and not Path(name).exists():
        config = transformers.AutoConfig.for_model(name)
    else:
        try:
            config = transformers.AutoConfig.from_pretrained(model_place(name, cache=cache))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise TextSourceError(
                f"cannot load the configuration of {name!r}: {reason} (give a folder with "
                f"config.json, an id on the hub, 'demo' or a family){did_you_mean(name, families)}"
            ) from None
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config).eval()
