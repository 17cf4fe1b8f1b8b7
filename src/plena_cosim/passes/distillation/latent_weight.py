"""LatentWeight: a weight that is trained, in the place of one that was quantised once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.golden import Mx

from ..modules.operand import narrow
from ..recipe.formats import Format
from ..weights.packed_weight import StoredWeight


class LatentWeight(StoredWeight):
    """A float weight whose gradient reaches it straight through its quantisation.

    Attributes:
        latent: what is trained, in float32.
        rounded: `values` are those of the quantised weight; else the latent ones themselves.
    """

    def __init__(
        self,
        weight: Tensor,
        fmt: Format | None,
        *,
        axis: int = -1,
        dtype: torch.dtype | None = None,
        rounded: bool,
    ) -> None:
        nn.Module.__init__(self)
        self._describe(weight, fmt, axis, dtype)
        self.rounded = rounded
        self.latent = nn.Parameter(weight.detach().float().clone(), requires_grad=False)

    @property
    def values(self) -> Tensor:  # type: ignore[override]
        """What products take."""
        return narrow(self.latent, self.fmt, self.axis) if self.rounded else self.latent

    def matrix(self, expert: Any) -> Tensor:
        """Return the values of one expert, of which alone anything is rounded."""
        latent = self.latent[expert]
        return narrow(latent, self.fmt, self.axis - 1) if self.rounded else latent

    @property
    def scales(self) -> Tensor:  # type: ignore[override]
        """Scale codes of the blocks, were it quantised now; empty where there are none."""
        if not isinstance(self.fmt, Mx):
            return torch.empty(0, dtype=torch.uint8, device=self.latent.device)
        return fakequant.quantize_mx(self.latent, self.fmt, axis=self.axis).scales

    @classmethod
    def store(cls, *, rounded: bool) -> Callable[..., StoredWeight]:
        """Return a `Store` of such weights."""

        def make(
            weight: Tensor,
            fmt: Format | None,
            *,
            axis: int = -1,
            dtype: torch.dtype | None = None,
        ) -> StoredWeight:
            return cls(weight, fmt, axis=axis, dtype=dtype, rounded=rounded)

        return make
