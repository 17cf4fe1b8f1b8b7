"""The reference: what every format and operation means, bit for bit, in NumPy."""

from . import ops
from .codec import NanReplacedWarning, decode, encode
from .float_environment import ExactnessError
from .formats import (
    FORMATS,
    AnyFormat,
    FixedPoint,
    FormatError,
    Minifloat,
    Mx,
    Overflow,
    Rounding,
    Scalar,
    ScaleRule,
    Specials,
    get_format,
    mxfp,
    mxint,
)
from .hardware import HardwareConfig
from .mx import MxArray, quantize

__all__ = [
    "FORMATS",
    "AnyFormat",
    "ExactnessError",
    "FixedPoint",
    "FormatError",
    "HardwareConfig",
    "Minifloat",
    "Mx",
    "MxArray",
    "NanReplacedWarning",
    "Overflow",
    "Rounding",
    "Scalar",
    "ScaleRule",
    "Specials",
    "decode",
    "encode",
    "get_format",
    "mxfp",
    "mxint",
    "ops",
    "quantize",
]
