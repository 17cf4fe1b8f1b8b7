"""SpecTensor: a weight whose values calibration has chosen among those of a SpecFormat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor

from ..recipe.spec_format import SpecFormat


@dataclass(frozen=True, kw_only=True)
class SpecTensor:
    """What MxTensor is to blocks, to formats by their axes.

    Attributes:
        values: (out, in), or a matrix an expert, float32, each a code of the format times its
            scale.
        fmt: what they were quantised to.
        axis: of the contraction, not negative.
    """

    values: Tensor
    fmt: SpecFormat
    axis: int

    @property
    def shape(self) -> torch.Size:
        """Shape of the weight."""
        return self.values.shape


CalibratedWeight = MxTensor | SpecTensor
"""What calibration finds, and what a quantised module stores in the place of rounding."""
