"""LatentWeight: a weight that is trained, in the place of one that was quantised once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.golden import Mx

from ..modules.operand import fake_quantize
from ..recipe.formats import Format
from ..weights.packed_weight import PackedWeight


class LatentWeight(PackedWeight):
    """A float weight whose gradient reaches it straight through its quantisation.

    The gradient of rounding is taken to be one, the straight-through estimator of Bengio et al.
    2013 (arXiv:1308.3432).

    Args:
        weight: any number of axes; its values are copied.
        fmt: what products take it in; None as it is.
        axis: the axis along which blocks run.
        dtype: of the module that it is for; products take float32 whatever it is.
        rounded: products take rounded values.

    Attributes:
        latent: what is trained, in float32, in the shape of `weight`.
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
        return fake_quantize(self.latent, self.fmt, self.axis) if self.rounded else self.latent

    def matrix(self, expert: Any) -> Tensor:
        """Return the values of one expert, of which alone anything is rounded."""
        latent = self.latent[expert]
        return fake_quantize(latent, self.fmt, self.axis - 1) if self.rounded else latent

    @property
    def scales(self) -> Tensor:  # type: ignore[override]
        """Scale codes of the blocks, were it quantised now; empty where there are none."""
        if not isinstance(self.fmt, Mx):
            return torch.empty(0, dtype=torch.uint8, device=self.latent.device)
        return fakequant.quantize_mx(self.latent, self.fmt, axis=self.axis).scales

    @classmethod
    def store(cls, *, rounded: bool) -> Callable[..., PackedWeight]:
        """Return a `WeightFactory` of such weights; `rounded` is theirs."""

        def make(
            weight: Tensor,
            fmt: Format | None,
            *,
            axis: int = -1,
            by_matrix: bool = False,
            dtype: torch.dtype | None = None,
        ) -> PackedWeight:
            return cls(weight, fmt, axis=axis, dtype=dtype, rounded=rounded)

        return make
