"""ColumnScales: the scales of a weight that is quantised column after column."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from plena_cosim.fakequant.groups import to_groups
from plena_cosim.golden.affine import AffineInt, Granularity, Grouping, ScaledFp, ScaleFormat

from ..recipe.spec_format import SpecFormat, Stage
from ..weights.spec_values import Range, quantize_scaled, ranges_of, stage_scale


class ColumnScales:
    """Scales and zero points of one matrix, those that its values as they were ask for.

    A group can be given others, by what its columns have become.

    Attributes:
        group_size: columns that share a scale in each row; None: all of them do.
    """

    def __init__(self, weight: Tensor, stage: Stage) -> None:
        """Take the scales of a weight as it is.

        Args:
            weight: (rows, n) float32, finite.
            stage: an affine format by tensor, by row, or by group of columns.
        """
        self.group_size = stage.granularity.group_size
        self._stage = stage
        # A single column, (rows, 1), has a scale in each row.
        by_row = Granularity(kind=Grouping.CHANNEL, ch_axis=0)
        self._one = replace(stage, granularity=by_row)
        low, high = _bounds(weight, stage)
        self._largest = torch.maximum(-low.min(), high.max()).clamp_min(0.0)
        scale, zero = stage_scale((low, high), stage)
        self._scale = _by_row(scale, len(weight))
        self._zero = None if zero is None else _by_row(zero, len(weight))

    def enter(self, group: int, columns: Tensor) -> None:
        """Give a group the scales of its columns.

        A scale in E4M3 is relative to the largest one of the weight as it was, and no larger.

        Args:
            group: its number.
            columns: (rows, columns) float32.
        """
        along = Granularity(kind=Grouping.GROUP, ch_axis=1, group_size=columns.shape[1])
        low, high = _bounds(columns, replace(self._stage, granularity=along))
        fmt = self._stage.fmt
        assert isinstance(fmt, (AffineInt, ScaledFp))
        if fmt.scale is ScaleFormat.E4M3:
            unit = self._largest.view(1, 1)
            low = torch.cat([low.clamp(min=-self._largest), -unit])
            high = torch.cat([high.clamp(max=self._largest), unit])
        scale, zero = stage_scale((low, high), self._stage)
        rows = len(columns)
        self._scale[:, group] = scale[:rows, 0]
        if self._zero is not None and zero is not None:
            self._zero[:, group] = zero[:rows, 0]

    def quantize(self, column: Tensor, index: int) -> Tensor:
        """Return the values of a column, (rows,).

        Args:
            column: (rows,) float32.
            index: which one of the weight.
        """
        group = 0 if self.group_size is None else index // self.group_size
        zero = None if self._zero is None else self._zero[:, group]
        return quantize_scaled(column[:, None], self._one, self._scale[:, group], zero)[:, 0]


def _bounds(weight: Tensor, stage: Stage) -> Range:
    """Return the range of each group: that of its values, or what the stage's rule finds."""
    if stage.range is None:
        groups = to_groups(weight, stage.granularity)
        return groups.amin(-1), groups.amax(-1)
    (found,) = ranges_of(weight, SpecFormat(stages=(stage,)))
    assert found is not None
    return found


def _by_row(each: Tensor, rows: int) -> Tensor:
    """Return scales as (rows, groups): one group where all columns share."""
    whole = each.reshape(-1, 1) if each.ndim < 2 else each
    return whole.expand(rows, -1).clone()
