"""Which scales a weight block may take, besides the one that the format's rule gives it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.fakequant.element import single_range
from plena_cosim.fakequant.scale import scale_exponent
from plena_cosim.golden import Mx

_FARTHEST = 4  # binades below the rule's scale: all but a sixteenth of the range would be clipped


@dataclass(frozen=True, kw_only=True)
class ScaleSearch:
    """How the scale of a block is chosen.

    Attributes:
        quantiles: of the block's magnitudes, in (0, 1]: each, in the place of the largest one,
            gives a scale to try. What is larger is clipped to the largest element.
        neighbours: so many powers of two below and above the rule's scale are tried too.
        by_output: the best scale is the one with the least error of the layer's output, after the
            error of each column has been fed forward; else with the least error of the weights.
    """

    quantiles: tuple[float, ...] = ()
    neighbours: int = 0
    by_output: bool = False


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Scales to try for one block in every row.

    Attributes:
        rule: (rows,) int32 exponents of the format's rule.
        exponents: (k, rows) int32; the first are the rule's, as far as the scale's range allows.
        allowed: (k, rows) bool: whether a row tries it.
    """

    rule: Tensor
    exponents: Tensor
    allowed: Tensor


def scales_to_try(block: Tensor, mx: Mx, search: ScaleSearch) -> Tried:
    """Return the scales that `search` names.

    Args:
        block: (elements, rows) float32, finite.
        mx: the format.
        search: quantiles and neighbours.

    Returns:
        The rule's scale first, then the others by their distance from it.
    """
    magnitudes = block.abs()
    rule = scale_exponent(magnitudes.amax(0).view(SINGLE.int_dtype), mx, SINGLE)
    wanted: dict[int, Tensor] = {0: torch.ones_like(rule, dtype=torch.bool)}
    for step in range(-search.neighbours, search.neighbours + 1):
        wanted[step] = torch.ones_like(rule, dtype=torch.bool)
    if search.quantiles:
        largest = _quantiles(magnitudes, search.quantiles)
        below = scale_exponent(largest.view(SINGLE.int_dtype), mx, SINGLE) - rule
        for step in range(-_FARTHEST, 0):
            found = (below == step).any(0)
            if step not in wanted and bool(found.any()):
                wanted[step] = found
    steps = sorted(wanted, key=lambda step: (abs(step), step))
    low, high = single_range(mx)
    low, high = max(low, mx.min_scale_exp), min(high, mx.max_scale_exp)
    return Tried(
        rule=rule,
        exponents=torch.stack([(rule + step).clamp(low, high) for step in steps]),
        allowed=torch.stack([wanted[step] for step in steps]),
    )


def _quantiles(magnitudes: Tensor, points: tuple[float, ...]) -> Tensor:
    """Return quantiles of each column, (points, rows), as torch.quantile has them, but faster."""
    ordered = magnitudes.sort(0).values
    rank = torch.tensor(points, dtype=ordered.dtype, device=ordered.device) * (len(ordered) - 1)
    below = rank.long()
    part = (rank - below)[:, None].expand(-1, ordered.shape[1])
    return torch.lerp(ordered[below], ordered[rank.ceil().long()], part)
