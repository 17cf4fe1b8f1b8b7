"""Model transforms driven by PLENA's TOML recipes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import _registration

if TYPE_CHECKING:
    from plena_cosim.ground.progress import Progress

    from .plan.left_alone import LeftAlone, left_alone
    from .quantize_module import quantize_module_transform_pass
    from .recipe.load import load_quant_config
    from .recipe.numerics import Numerics
    from .recipe.recipe import KvHandover, MatchBy, PassArgs, Phase, Recipe
    from .recipe.selector import Selector
    from .replace.module_info import ModuleInfo
    from .saving.export import dequantized_state_dict, export_dequantized
    from .weights.keep_packed import keep_packed

__all__ = [
    "KvHandover",
    "LeftAlone",
    "MatchBy",
    "ModuleInfo",
    "Numerics",
    "PassArgs",
    "Phase",
    "Progress",
    "Recipe",
    "Selector",
    "dequantized_state_dict",
    "export_dequantized",
    "keep_packed",
    "left_alone",
    "load_quant_config",
    "quantize_module_transform_pass",
]

_HOMES = {
    "plena_cosim.ground.progress": ("Progress",),
    ".plan.left_alone": ("LeftAlone", "left_alone"),
    ".quantize_module": ("quantize_module_transform_pass",),
    ".recipe.load": ("load_quant_config",),
    ".recipe.numerics": ("Numerics",),
    ".recipe.recipe": ("KvHandover", "MatchBy", "PassArgs", "Phase", "Recipe"),
    ".recipe.selector": ("Selector",),
    ".replace.module_info": ("ModuleInfo",),
    ".saving.export": ("dequantized_state_dict", "export_dequantized"),
    ".weights.keep_packed": ("keep_packed",),
}
_WITHOUT_TORCH = ("plena_cosim.ground.progress", ".recipe.")

_registration.register()


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: recipes are read without torch."""
    for home, names in _HOMES.items():
        if name in names:
            if not home.startswith(_WITHOUT_TORCH):
                importlib.import_module("plena_cosim.fakequant")  # says so when torch is missing
            return getattr(importlib.import_module(home, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
