"""AMD Quark: its configurations as data, the numbers that they give, and the recipes they mean.

`quantization` has Quark's own modules and names and needs no torch, which is imported when
`fake_quantize` is asked for. docs/quark.md says what each specification means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

if TYPE_CHECKING:
    from . import quantization
    from .files import read_file
    from .golden_format import GoldenFormat, golden_formats
    from .numbers import fake_quantize
    from .recipe import QuarkRecipe, to_recipe, to_recipe_tables
    from .schemes import scheme

__all__ = [
    "GoldenFormat",
    "QuarkRecipe",
    "fake_quantize",
    "golden_formats",
    "quantization",
    "read_file",
    "scheme",
    "to_recipe",
    "to_recipe_tables",
]

__getattr__ = lazily(
    __name__,
    {
        ".quantization": (),
        ".numbers": ("fake_quantize",),
        ".golden_format": ("GoldenFormat", "golden_formats"),
        ".files": ("read_file",),
        ".recipe": ("QuarkRecipe", "to_recipe", "to_recipe_tables"),
        ".schemes": ("scheme",),
    },
)
