"""The recipe of an experiment file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe

from .experiment import RANGES, Experiment, read_experiment
from .tables import recipe_tables


def experiment_recipe(given: Experiment | str | Path) -> Recipe:
    """Return the recipe that an experiment file is.

    Args:
        given: what was read, or the file.

    Raises:
        FormatError: as `read_experiment`.
    """
    experiment = given if isinstance(given, Experiment) else read_experiment(given)
    tables = recipe_tables(experiment.section)
    if experiment.ranges is not None:
        tables[RANGES] = experiment.ranges
    made = read_quant_config(
        tables,
        source=str(experiment.path),
        folder=experiment.path.parent,
        sha256=experiment.sha256,
    )
    return replace(made, notes=(*experiment.notes, *made.notes))
