"""remember_recipe: note in a Hugging Face model what quantised it, so that saving says so."""

from __future__ import annotations

from typing import Any

from torch import nn

from plena_cosim.golden import FormatError, HardwareConfig

from .quant_config import PassArgs


def remember_recipe(
    model: nn.Module, recipe: PassArgs, numerics: str, machine: HardwareConfig | None
) -> None:
    """Put the recipe into `model.config`, where `save_pretrained` finds it.

    Nothing happens to a model that is not transformers' own.

    Raises:
        FormatError: the model has a recipe already (a file can name one only), or `recipe` does not
            know its tables.
    """
    if not hasattr(model, "save_pretrained") or not hasattr(model, "config"):
        return
    from .hf_quantizer import PlenaConfig

    if getattr(model, "plena_config", None) is not None:
        raise FormatError(
            "the model has been quantised before; put all selectors into one recipe, and start "
            "from the original model"
        )
    if not recipe.tables:
        raise FormatError(
            f"{recipe.source}: has no tables to save; make it with load_quant_config or "
            "read_quant_config"
        )
    config = PlenaConfig.of(recipe, numerics, machine)
    attach(model, config)


def attach(model: nn.Module, config: Any) -> None:
    """Make `config` the recipe of a model whose twins are in place."""
    model.plena_config = config
    model.config.quantization_config = config  # type: ignore[union-attr]
    # Packed codes go to the file under the model's own names: transformers' renaming, merging and
    # splitting of weights is for the tensors of original checkpoints.
    model._weight_conversions = []  # type: ignore[assignment]
