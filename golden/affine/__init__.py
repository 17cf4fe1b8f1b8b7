"""Affine integers and scaled minifloats: groups of values that share a scale and a zero point.

Formats are plain data; NumPy is imported when a name that computes is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

if TYPE_CHECKING:
    from .format import AffineFormat, AffineInt, Quotient, ScaledFp, ScaleFormat, ZeroPoint
    from .granularity import Granularity, Grouping
    from .groups import from_groups, to_groups
    from .quantize import Quantized, dequantize_affine, quantize_affine
    from .scale import affine_scale

__all__ = [
    "AffineFormat",
    "AffineInt",
    "Granularity",
    "Grouping",
    "Quantized",
    "Quotient",
    "ScaleFormat",
    "ScaledFp",
    "ZeroPoint",
    "affine_scale",
    "dequantize_affine",
    "from_groups",
    "quantize_affine",
    "to_groups",
]

__getattr__ = lazily(
    __name__,
    {
        ".format": (
            "AffineFormat",
            "AffineInt",
            "Quotient",
            "ScaleFormat",
            "ScaledFp",
            "ZeroPoint",
        ),
        ".granularity": ("Granularity", "Grouping"),
        ".groups": ("from_groups", "to_groups"),
        ".quantize": ("Quantized", "dequantize_affine", "quantize_affine"),
        ".scale": ("affine_scale",),
    },
)
