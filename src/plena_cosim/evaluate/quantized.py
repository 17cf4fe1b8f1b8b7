"""Quantized: a model by name, as a recipe made it, and the record of that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from plena_cosim.golden import HardwareConfig
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import (
    LeftAlone,
    ModuleInfo,
    Recipe,
    left_alone,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.numerics_used import numerics_used

from .load import load_model, require_original
from .record import describe_run, rotation_of


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """What `load_quantized` made.

    Attributes:
        model: the name that was given.
        network, tokenizer: the quantised model and its tokenizer.
        recipe: what quantised it.
        numerics: "fake" or "exact".
        info: what became of each module.
    """

    model: str
    network: Any
    tokenizer: Any
    recipe: Recipe
    numerics: str
    info: dict[str, ModuleInfo]

    @property
    def left(self) -> LeftAlone:
        """What stayed in float."""
        return left_alone(self.network)

    def record(self) -> dict[str, Any]:
        """Return what was done, for a JSON file."""
        return {
            "model": self.model,
            "quant_config": self.recipe.source,
            "numerics": self.numerics,
            "formats": numerics_used(self.recipe),
            "rotation": rotation_of(self.network, self.info, self.numerics),
            "run": describe_run(seed=0, config_sha256=self.recipe.sha256),
            "modules": {name: entry.as_dict() for name, entry in self.info.items()},
            "left_alone": self.left.as_dict(),
        }


def load_quantized(
    model: str,
    quant_config: Path,
    *,
    numerics: str,
    hardware: Path | None,
    cache: Path | None,
    device: str | None = None,
    console: Console | None = None,
) -> Quantized:
    """Load a model and quantise it; the recipe and the machine are checked first.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        quant_config: a recipe.
        numerics: "fake" or "exact".
        hardware: a machine of configs/hw for exact numerics.
        device: where calibration runs, in the place of what the recipe says.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the progress of a calibration is shown.

    Returns:
        The quantised model with its tokenizer, its recipe and what became of each module.

    Raises:
        FormatError, TextSourceError: with one clear message each.
    """
    recipe = on_device(load_quant_config(quant_config), device)
    machine = HardwareConfig.load(hardware) if hardware is not None else None
    network, tokenizer = load_model(model, cache=cache)
    require_original(network, model)
    with progress_bars(console or Console()) as progress:
        network, info = quantize_module_transform_pass(
            network, recipe, numerics=numerics, hw=machine, progress=progress
        )
    return Quantized(
        model=model,
        network=network,
        tokenizer=tokenizer,
        recipe=recipe,
        numerics=numerics,
        info=info,
    )
