"""Observer: sees tensors batch by batch, then says in which range their values lie."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from plena_cosim.fakequant.groups import to_groups
from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class Observer(ABC):
    """What has been seen of the values that share each scale; it may be pickled.

    Args:
        granularity: which values share one.
    """

    def __init__(self, granularity: Granularity) -> None:
        self.granularity = granularity
        self._low: Tensor | None = None
        self._high: Tensor | None = None

    @property
    def seen(self) -> bool:
        """Whether any value has been given."""
        return self._low is not None

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """See one batch.

        Args:
            x: float32, bfloat16, float16 or float64 tensor, on any device; float64 is rounded to
                float32 first. One without values changes nothing. By channel and by group all
                batches have as many scales.

        Raises:
            FormatError: `x` is not of these dtypes, holds a NaN or Inf, has no such axis, or has
                other scales than the batches before. Nothing has changed then.
        """
        single = as_batch(x)
        if not single.numel():
            return
        groups = to_groups(single, self.granularity)
        if self._low is not None and self._low.shape != groups.shape[:-1]:
            raise FormatError(
                f"calibration: this batch, of shape {tuple(x.shape)}, has scales of shape "
                f"{tuple(groups.shape[:-1])}, those before had {tuple(self._low.shape)}; batches "
                "of other shapes can share a scale by tensor, or by a channel that all have"
            )
        self._see(groups)
        low, high = groups.amin(-1).cpu() + 0.0, groups.amax(-1).cpu() + 0.0  # none is -0
        self._low = low if self._low is None else torch.minimum(self._low, low)
        self._high = high if self._high is None else torch.maximum(self._high, high)

    def range(self) -> tuple[Tensor, Tensor]:
        """Return the ends of the range as `fakequant.affine_scale` takes them.

        Returns:
            low, high: float32 on the CPU, low ≤ high: one number for a tensor, one a channel, or
            (…, groups).

        Raises:
            FormatError: nothing has been seen.
        """
        if self._low is None or self._high is None:
            raise FormatError("calibration: no value has been seen; call update with data first")
        return self._range(self._low, self._high)

    @abstractmethod
    def _see(self, groups: Tensor) -> None:
        """See finite float32 values (…, n), a scale a row of n."""

    @abstractmethod
    def _range(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the range of data whose smallest and largest values are `low` and `high`."""


def as_batch(x: Tensor) -> Tensor:
    """Return what observers see of a tensor: its values in float32, without a graph.

    Args:
        x: float32, bfloat16, float16 or float64 tensor, on any device.

    Raises:
        FormatError: `x` is not of these dtypes, or holds a NaN or Inf.
    """
    if not isinstance(x, Tensor) or x.dtype not in _DTYPES:
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise FormatError(f"calibration: need a tensor of {allowed}; got {given}")
    single = x.detach().float()
    _require_finite(single)
    return single


def within(low: Tensor, high: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Return a range whose ends are clamped to a magnitude.

    Args:
        low, high: smallest and largest values.
        bound: the magnitude; its shape goes with theirs.
    """
    return low.clamp(-bound, bound) + 0.0, high.clamp(-bound, bound) + 0.0


def _require_finite(x: Tensor) -> None:
    special = ~x.isfinite()
    count = int(special.sum())
    if count:
        where = tuple(special.nonzero()[0].tolist())
        raise FormatError(
            f"calibration: {count} of {x.numel()} values are NaN or Inf, the first "
            f"{x[where].item()} at index {where} of shape {tuple(x.shape)}; a range needs finite "
            "values: look for the layer that makes them, or calibrate in a wider dtype"
        )
