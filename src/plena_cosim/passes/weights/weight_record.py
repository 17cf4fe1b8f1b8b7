"""What a calibration found, in numbers, for tables and files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class WeightRecord:
    """One calibrated matrix.

    Attributes:
        tokens: how many operands its Hessian has seen.
        rounded: True where it has seen none, and the matrix was rounded to nearest.
        loss: squared error of the outputs on the calibration data, as the Hessian weighs tokens.
        gain: what the choice of scales took off that error, block by block as they were quantised.
        offsets: how many blocks took a scale of so many powers of two above the rule's.
        first_token: how many times larger a sample's first token is than the median one, by the
            root mean square of its operands; 0 where tokens are not in order (experts).
    """

    tokens: int
    rounded: bool
    loss: float
    gain: float
    offsets: dict[str, int]
    first_token: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)


def histogram(offsets: Tensor) -> dict[str, int]:
    """Return how often each offset occurs."""
    values, counts = torch.unique(offsets, return_counts=True)
    return {str(int(v)): int(n) for v, n in zip(values, counts, strict=True)}
