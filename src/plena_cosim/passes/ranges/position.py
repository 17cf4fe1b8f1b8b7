"""PositionObserver: the range of each group along the last axis, over all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity, Grouping

from .observer import Observer, as_batch

_ROWS = Granularity(kind=Grouping.CHANNEL, ch_axis=0)


class PositionObserver:
    """Sees inputs batch by batch, whose last axis alone has one length; it may be pickled.

    A group is so many neighbours along the last axis, and its values are those of every row: so
    rows that come later have a range, and all methods have enough values to count.

    Args:
        group_size: values of a group; the last group of a row may be shorter.
        make: the observer of a granularity, by channel or tensor.
    """

    def __init__(self, group_size: int, make: Callable[[Granularity], Observer]) -> None:
        self.group_size = group_size
        self._whole, self._shorter = make(_ROWS), make(Granularity())
        self._length: int | None = None

    @property
    def seen(self) -> bool:
        """Whether any value has been given."""
        return self._whole.seen or self._shorter.seen

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """See one batch.

        Args:
            x: (…, n), of the dtypes that `Observer.update` takes, on any device. One without values
                changes nothing.

        Raises:
            FormatError: as that; or `x` has no axis, or another n than the batches before. Nothing
                has changed then.
        """
        single = as_batch(x)
        if not single.numel():
            return
        length = single.shape[-1] if single.ndim else None
        if length is None or self._length not in (None, length):
            wanted = "a last axis" if self._length is None else f"{self._length} along it"
            raise FormatError(
                f"calibration: this batch has shape {tuple(x.shape)}; groups along the last axis "
                f"need {wanted}"
            )
        self._length = length
        rows = single.reshape(-1, length)
        whole = length - length % self.group_size
        groups = rows[:, :whole].reshape(len(rows), whole // self.group_size, self.group_size)
        self._whole.update(groups.movedim(1, 0).flatten(1))
        self._shorter.update(rows[:, whole:])

    def range(self) -> tuple[Tensor, Tensor]:
        """Return the ends of the range of each group.

        Returns:
            low, high: (groups,) float32 on the CPU, low ≤ high.

        Raises:
            FormatError: nothing has been seen.
        """
        found = [each.range() for each in (self._whole, self._shorter) if each.seen]
        if not found:
            raise FormatError("calibration: no value has been seen; call update with data first")
        lows, highs = zip(*found, strict=True)
        return _joined(lows), _joined(highs)


def _joined(ends: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in ends])
