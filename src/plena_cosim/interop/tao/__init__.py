"""NVIDIA TAO: the section `quantize` of an experiment file, as a recipe.

Nothing here needs torch. docs/tao.md says what each field and value means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

if TYPE_CHECKING:
    from .experiment import Experiment, read_experiment
    from .recipe import experiment_recipe
    from .section import QuantizeTable
    from .tables import recipe_tables

__all__ = [
    "Experiment",
    "QuantizeTable",
    "experiment_recipe",
    "read_experiment",
    "recipe_tables",
]

__getattr__ = lazily(
    __name__,
    {
        ".experiment": ("Experiment", "read_experiment"),
        ".recipe": ("experiment_recipe",),
        ".tables": ("recipe_tables",),
        ".section": ("QuantizeTable",),
    },
)
