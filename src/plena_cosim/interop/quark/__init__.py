"""AMD Quark: its specifications of tensors as data, and the numbers that each gives.

`quantization` has Quark's own modules and names and needs no torch, which is imported when
`fake_quantize` is asked for. docs/quark.md says what each specification means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

if TYPE_CHECKING:
    from . import quantization
    from .golden_format import GoldenFormat, golden_formats
    from .numbers import fake_quantize

__all__ = ["GoldenFormat", "fake_quantize", "golden_formats", "quantization"]

__getattr__ = lazily(
    __name__,
    {
        ".quantization": (),
        ".numbers": ("fake_quantize",),
        ".golden_format": ("GoldenFormat", "golden_formats"),
    },
)
