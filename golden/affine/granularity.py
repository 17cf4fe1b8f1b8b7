"""Granularity: which values of an array share one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from plena_cosim.golden.formats import FormatError, _set_int, as_enum


class Grouping(Enum):
    """What shares one scale."""

    TENSOR = "tensor"
    """All values."""
    CHANNEL = "channel"
    """The values of one index of an axis."""
    GROUP = "group"
    """So many neighbours along an axis."""


@dataclass(frozen=True, kw_only=True)
class Granularity:
    """Which values share one scale.

    Args:
        kind: all of a tensor, each index of `ch_axis`, or each `group_size` along `ch_axis`.
        ch_axis: the axis, counted from the end where negative; None for a tensor.
        group_size: values of a group; None but for a group. The last group of a row may be shorter.

    Raises:
        FormatError: an axis or a size that `kind` needs is missing, or one that it does not take.

    >>> Granularity(kind="group", ch_axis=-1, group_size=32).axis((4, 64))
    1
    """

    kind: Grouping | str = Grouping.TENSOR
    ch_axis: int | None = None
    group_size: int | None = None

    def __post_init__(self) -> None:
        kind = as_enum(Grouping, self.kind, "granularity")
        object.__setattr__(self, "kind", kind)
        label = f"granularity {kind.value!r}"
        for key, needed in (
            ("ch_axis", kind is not Grouping.TENSOR),
            ("group_size", kind is Grouping.GROUP),
        ):
            if (getattr(self, key) is not None) is not needed:
                says = f"needs {key}" if needed else f"takes no {key}; leave it out"
                raise FormatError(f"{label} {says} (got {getattr(self, key)!r})")
        if self.ch_axis is not None:
            _set_int(self, label, "ch_axis", -64, 63)
        if self.group_size is not None:
            _set_int(self, label, "group_size", 1, 1 << 31)

    def axis(self, shape: Sequence[int]) -> int:
        """Return `ch_axis` as a non-negative index into a shape; 0 for a tensor.

        Raises:
            FormatError: the shape has no such axis, or a group would have no value.
        """
        axis = 0
        if self.ch_axis is not None:
            if not -len(shape) <= self.ch_axis < len(shape):
                raise FormatError(
                    f"ch_axis {self.ch_axis} does not exist in shape {tuple(shape)}; "
                    f"allowed: {-len(shape)}..{len(shape) - 1}"
                )
            axis = self.ch_axis % len(shape)
        if self.kind is Grouping.TENSOR:
            shared = list(shape)
        elif self.kind is Grouping.CHANNEL:
            shared = [*shape[:axis], *shape[axis + 1 :]]
        else:
            shared = [shape[axis]]
        if 0 in shared:
            raise FormatError(
                f"need at least one value that shares a scale, got shape {tuple(shape)} "
                f"by {self.kind.value if isinstance(self.kind, Grouping) else self.kind}"
            )
        return axis
