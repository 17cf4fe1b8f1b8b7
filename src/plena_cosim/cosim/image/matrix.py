"""Matrix: codes of one tensor of a quantised model, as rows along which blocks run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import Mx
from plena_cosim.golden.codec import Codes
from plena_cosim.passes.weights.element_codes import block_codes


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One tensor.

    Attributes:
        name: of the tensor in the model.
        kind: "weight", "activation", "key" or "value".
        codes: element codes (rows, cols).
        scales: scale codes (rows, blocks).
        mx: the format.
        shape: of the tensor.
        axis: of the tensor, along which blocks run; in `codes` it is the last, the others in order
            are the rows.
    """

    name: str
    kind: str
    codes: Codes
    scales: Codes
    mx: Mx
    shape: tuple[int, ...]
    axis: int

    @classmethod
    def of(cls, name: str, quantised: MxTensor, *, kind: str) -> Matrix:
        """Return the codes of a quantised tensor.

        Args:
            name: of the tensor.
            quantised: of any number of axes.
            kind: what it is.
        """
        mx, axis = quantised.mx, quantised.axis
        codes = block_codes(quantised.values, quantised.scales, mx, axis)
        return cls(
            name=name,
            kind=kind,
            codes=_rows(codes, axis).astype(np.uint32),
            scales=_rows(quantised.scales, axis).astype(np.uint8),
            mx=mx,
            shape=tuple(quantised.shape),
            axis=axis,
        )


def _rows(x: torch.Tensor, axis: int) -> Codes:
    moved = x.detach().movedim(axis, -1)
    rows: Codes = moved.reshape(-1, moved.shape[-1]).cpu().numpy()
    return rows
