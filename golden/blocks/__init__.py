"""Block formats beyond Mx: micro-exponents, two levels of scale, scales chosen by the codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

if TYPE_CHECKING:
    from .by_format import BlockArray, quantize
    from .formats import (
        BLOCK_FORMATS,
        Bfp,
        BlockFormat,
        LeastSquaresMx,
        MicroMx,
        ScaleForm,
        TwoLevel,
        get_block_format,
    )
    from .micro import MicroArray
    from .two_level import TwoLevelArray

__all__ = [
    "BLOCK_FORMATS",
    "Bfp",
    "BlockArray",
    "BlockFormat",
    "LeastSquaresMx",
    "MicroArray",
    "MicroMx",
    "ScaleForm",
    "TwoLevel",
    "TwoLevelArray",
    "get_block_format",
    "quantize",
]

__getattr__ = lazily(
    __name__,
    {
        ".formats": (
            "BLOCK_FORMATS",
            "Bfp",
            "BlockFormat",
            "LeastSquaresMx",
            "MicroMx",
            "ScaleForm",
            "TwoLevel",
            "get_block_format",
        ),
        ".micro": ("MicroArray",),
        ".by_format": ("BlockArray", "quantize"),
        ".two_level": ("TwoLevelArray",),
    },
)
