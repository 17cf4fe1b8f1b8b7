"""min_max: from the smallest to the largest value."""

from __future__ import annotations

from torch import Tensor

from .observer import Observer


class MinMaxObserver(Observer):
    """The range of all values; the same however they are split into batches."""

    def _see(self, groups: Tensor) -> None:
        """All that counts is what every observer keeps."""

    def _range(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        return low, high
