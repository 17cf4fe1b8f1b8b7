"""StaticRanges: the ranges that calibration found for one role of a module, saved with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import Granularity, Grouping

from ..recipe.formats import ModuleFormats
from ..recipe.spec_format import SpecFormat
from ..weights.spec_values import Range, quantize_spec


class StaticRanges(nn.Module):
    """Quantises a tensor by stages some of which have static ranges; the gradient is the identity.

    Its state dict has `low_<stage>` and `high_<stage>` for each of these, float32; NaN where
    nothing was calibrated.

    Attributes:
        fmt: the stages.
    """

    def __init__(
        self,
        fmt: SpecFormat,
        ranges: Sequence[Range | None] | None,
        *,
        channels: int,
        device: torch.device | None = None,
    ) -> None:
        """Keep the ranges of the static stages.

        Args:
            fmt: the stages.
            ranges: of each stage, None where it has none; None: they are loaded later.
            channels: length of the tensor's last axis.
            device: where ranges lie that are loaded later.
        """
        super().__init__()
        self.fmt = fmt
        for number, stage in enumerate(fmt.stages):
            if stage.range is None:
                continue
            shape = _shape(stage.range_granularity, channels)
            given = None if ranges is None else ranges[number]
            for place, name in enumerate(("low", "high")):
                nothing = torch.full(shape, torch.nan, device=device)
                bound = nothing if given is None else given[place].detach().float().clone()
                self.register_buffer(f"{name}_{number}", bound)

    def ranges(self) -> list[Range | None]:
        """Return the range of each stage, None where it is that of the tensor itself."""
        return [
            None
            if stage.range is None
            else (self.get_buffer(f"low_{number}"), self.get_buffer(f"high_{number}"))
            for number, stage in enumerate(self.fmt.stages)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Return the values of `x`, in its own dtype.

        Raises:
            FormatError: nothing was calibrated.
        """
        ranges = self.ranges()
        if any(given is not None and bool(given[0].isnan().any()) for given in ranges):
            raise FormatError(
                f"{self.fmt.name}: has a static range and saw no calibration data; give the pass "
                "tokens or samples, or [ranges] in the recipe"
            )
        return quantize_spec(x, self.fmt, ranges)

    def plain_state(self) -> dict[str, Tensor]:
        """Return nothing: the module that was there had no ranges."""
        return {}

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move, and stay float32 when the model is converted."""
        before = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in before.items():
            made = self._buffers[name]
            if made is not None and made.dtype != torch.float32:
                self._buffers[name] = buffer.to(made.device)
        return self

    def extra_repr(self) -> str:
        """Show the stages."""
        return self.fmt.name


def _shape(granularity: Granularity, channels: int) -> tuple[int, ...]:
    """Return the shape of the ends of a range whose channels or groups are on the last axis."""
    if granularity.kind is Grouping.TENSOR:
        return ()
    return (-(-channels // (granularity.group_size or 1)),)


def static_ranges(
    role: str,
    formats: ModuleFormats,
    ranges: Mapping[str, Sequence[Range | None]] | None,
    channels: int,
    device: torch.device,
) -> StaticRanges | None:
    """Return what quantises a role some of whose ranges are static; None where none is.

    Args:
        role: "data_in" or "data_out".
        formats: of the module.
        ranges: what calibration found, by role; without it they are loaded later.
        channels: length of the tensor's last axis.
        device: where ranges lie that are loaded later.
    """
    fmt = getattr(formats, role)
    if not isinstance(fmt, SpecFormat) or not fmt.is_static:
        return None
    return StaticRanges(fmt, (ranges or {}).get(role), channels=channels, device=device)
