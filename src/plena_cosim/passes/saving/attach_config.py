"""attach_config: note in a Hugging Face model what quantised it, so that saving says so."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from plena_cosim.golden import FormatError, HardwareConfig

from ..recipe.recipe import Recipe


def attach_config(
    model: nn.Module,
    recipe: Recipe,
    *,
    numerics: str,
    machine: HardwareConfig | None,
    dtype: torch.dtype | None,
) -> None:
    """Put the recipe into `model.config`, where `save_pretrained` finds it.

    Nothing happens to a model that is not transformers' own.

    Args:
        model: with its quantised modules in place.
        recipe: what they were made by.
        numerics: "fake" or "exact".
        machine: of exact numerics.
        dtype: of the model before the pass, in which its activations are still.
    """
    if _is_transformers(model):
        from .plena_config import PlenaConfig  # its module needs transformers, passes do not

        put_config(model, PlenaConfig.of(recipe, numerics, machine, dtype))


def require_attachable(model: nn.Module, recipe: Recipe) -> None:
    """Raise FormatError where `attach_config` could not say all that became of the model.

    A file names one recipe, by its tables.
    """
    if not _is_transformers(model):
        return
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


def _is_transformers(model: nn.Module) -> bool:
    return hasattr(model, "save_pretrained") and hasattr(model, "config")


def put_config(model: nn.Module, config: Any) -> None:
    """Make `config`, a PlenaConfig, what a model with quantised modules in place is saved with."""
    model.plena_config = config
    model.config.quantization_config = config  # type: ignore[union-attr]
    _say_quantized(model)
    # Packed codes go to the file under the model's own names: transformers' renaming, merging and
    # splitting of weights is for the tensors of original checkpoints.
    model._weight_conversions = []  # type: ignore[assignment]
    if getattr(model, "hf_quantizer", None) is None:
        from transformers.quantizers.auto import AutoHfQuantizer

        # What save_pretrained asks for the tensors; a loaded model has it already.
        model.hf_quantizer = AutoHfQuantizer.from_config(config, pre_quantized=True)


def _say_quantized(model: nn.Module) -> None:
    """Tell a model's own code that it is quantised, as transformers does when it loads one.

    Falcon-Mamba and Jamba multiply by the weight of a linear layer otherwise, and do not call it.
    """
    from transformers import PreTrainedConfig

    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            config._is_quantized = True
