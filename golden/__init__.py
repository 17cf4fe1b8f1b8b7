"""The reference: what every format and operation means, bit for bit, in NumPy.

Formats and machines are plain data; NumPy is imported when a name that computes is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

if TYPE_CHECKING:
    from . import affine, blocks, ops
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
    "affine",
    "blocks",
    "decode",
    "encode",
    "get_format",
    "mxfp",
    "mxint",
    "ops",
    "quantize",
]

__getattr__ = lazily(
    __name__,
    {
        ".affine": (),
        ".blocks": (),
        ".ops": (),
        ".codec": ("NanReplacedWarning", "decode", "encode"),
        ".float_environment": ("ExactnessError",),
        ".formats": (
            "FORMATS",
            "AnyFormat",
            "FixedPoint",
            "FormatError",
            "Minifloat",
            "Mx",
            "Overflow",
            "Rounding",
            "Scalar",
            "ScaleRule",
            "Specials",
            "get_format",
            "mxfp",
            "mxint",
        ),
        ".hardware": ("HardwareConfig",),
        ".mx": ("MxArray", "quantize"),
    },
)
