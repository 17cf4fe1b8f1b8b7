"""Model transforms driven by PLENA's TOML recipes."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)

from .module_info import ModuleInfo
from .quant_config import KvHandover, MatchBy, PassArgs, Phase, Selector, load_quant_config
from .quantize_module import Numerics, quantize_module_transform_pass

__all__ = [
    "KvHandover",
    "MatchBy",
    "ModuleInfo",
    "Numerics",
    "PassArgs",
    "Phase",
    "Selector",
    "load_quant_config",
    "quantize_module_transform_pass",
]
