"""Model transforms driven by PLENA's TOML recipes."""

from importlib.util import find_spec as _find_spec

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)
from plena_cosim.ground.progress import Progress

from .quantize_module import quantize_module_transform_pass
from .recipe.load import load_quant_config
from .recipe.recipe import KvHandover, MatchBy, PassArgs, Phase, Recipe
from .recipe.selector import Selector
from .replace.module_info import ModuleInfo
from .replace.replace import Numerics
from .saving.export import dequantized_state_dict, export_dequantized

if _find_spec("transformers") is not None:
    # Without it, transformers would load a saved model with random weights and a mere warning.
    from . import hf_quantizer as _hf_quantizer  # noqa: F401

__all__ = [
    "KvHandover",
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
    "load_quant_config",
    "quantize_module_transform_pass",
]
