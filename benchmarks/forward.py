"""The demo model under every recipe of configs/quant, in turn with the model as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from plena_cosim.ground.progress import Progress
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass

from .effort import Effort
from .models import subject
from .part import Part, Row, ratio_row
from .timing import race

RECIPES = sorted((Path(__file__).parent.parent / "configs" / "quant").glob("*.toml"))
AT_MOST = {"fake": 1.25, "exact": 2.5}
TOKENS = 512


def quantized(base: nn.Module, effort: Effort) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield recipe, numerics and quantised model, one after another.

    Args:
        base: the unquantised model, which stays as it is.
        effort: toys take one recipe.
    """
    for path in RECIPES if effort.full else RECIPES[-1:]:
        for numerics in AT_MOST:
            model = copy.deepcopy(base)
            quantize_module_transform_pass(model, load_quant_config(path), numerics=numerics)
            yield path.stem, numerics, model


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each recipe and numerics."""
    base, ids = subject(full=effort.full, tokens=TOKENS if effort.full else 32)
    steps = len(AT_MOST) * (len(RECIPES) if effort.full else 1)
    rows: list[Row] = []

    def run(model: nn.Module) -> None:
        with torch.no_grad():
            model(ids)

    for recipe, numerics, model in quantized(base, effort):
        progress("forward", len(rows), steps)
        times = race(
            {"unquantised": lambda: run(base), numerics: lambda m=model: run(m)},
            effort,
            at_most_seconds=6,
        )
        goal, label = AT_MOST[numerics], f"{recipe}, {numerics}"
        rows.append(ratio_row(times, numerics, "unquantised", label=label, at_most=goal))
    progress("forward", steps, steps)
    return rows


PART = Part(
    name="forward",
    about=f"{TOKENS} tokens of the demo model under every recipe of configs/quant.",
    minutes=6,
    measure=measure,
)
