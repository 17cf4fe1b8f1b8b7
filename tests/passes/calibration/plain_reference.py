"""GPTQ and Qronos as published, a column after the other, in float64 with NumPy.

Nothing is factorised: the inverse Hessian loses one column a step, as in OBQ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plena_cosim.golden import affine
from plena_cosim.passes.recipe.spec_format import Stage

Round = Callable[[np.ndarray, int], np.ndarray]
"""Takes columns as they are now, (rows, n), and an index; returns the values of that column."""


class Grids:
    """The scales of a matrix by golden, and columns rounded to them.

    Attributes:
        scale, zero: (rows, groups).
    """

    def __init__(self, weight: np.ndarray, stage: Stage, *, static: bool) -> None:
        self.stage, self.fmt, self.rows = stage, stage.fmt, len(weight)
        self.size = stage.granularity.group_size
        self.static = static or self.size is None
        groups = affine.to_groups(weight.astype(np.float32), stage.granularity)
        self.low, self.high = groups.min(-1), groups.max(-1)
        self.largest = max(-self.low.min(), self.high.max(), np.float32(0))
        self.scale, self.zero = (self._spread(each) for each in self._scales(self.low, self.high))

    def _scales(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale, zero = affine.affine_scale(low, high, self.fmt)
        return np.maximum(scale, np.float32(self.stage.min_scale)), zero

    def _spread(self, each: np.ndarray) -> np.ndarray:
        each = each.reshape(-1, 1) if each.ndim < 2 else each
        return np.broadcast_to(each, (self.rows, each.shape[1])).copy()

    def round(self, now: np.ndarray, index: int) -> np.ndarray:
        """Return a column's values; a group that is not static is entered by its first column."""
        group = 0 if self.size is None else index // self.size
        if not self.static and index % self.size == 0:
            columns = now[:, index : index + self.size].astype(np.float32)
            low, high = self.low.copy(), self.high.copy()
            low[:, group] = np.maximum(columns.min(1), -self.largest)
            high[:, group] = np.minimum(columns.max(1), self.largest)
            if getattr(self.fmt, "scale", None) is not affine.ScaleFormat.E4M3:
                low[:, group], high[:, group] = columns.min(1), columns.max(1)
            else:  # what the largest scale is stays as it was
                low = np.concatenate([low, np.full_like(low[:1], -self.largest)])
                high = np.concatenate([high, np.full_like(high[:1], self.largest)])
            scale, zero = self._scales(low, high)
            self.scale[:, group] = scale[: self.rows, group]
            self.zero[:, group] = zero[: self.rows, group]
        column = now[:, [index]].astype(np.float32)
        given = getattr(self.fmt, "zero_point", affine.ZeroPoint.NONE)
        zero = None if given is affine.ZeroPoint.NONE else self.zero[:, group]
        codes = affine.quantize_affine(
            column, self.fmt, scale=self.scale[:, group], zero_point=zero
        )
        return affine.dequantize_affine(codes, self.fmt)[:, 0].astype(np.float64)


def gptq(weight: np.ndarray, hessian: np.ndarray, rounded: Round, order: list[int]) -> np.ndarray:
    """Return the values of a weight, (rows, n), quantised with a damped Hessian."""
    return _diffused(weight.copy(), np.linalg.inv(hessian), rounded, order)


def _diffused(now: np.ndarray, inverse: np.ndarray, rounded: Round, order: list[int]) -> np.ndarray:
    found = now.copy()
    for index in order:
        found[:, index] = rounded(now, index)
        error = (now[:, index] - found[:, index]) / inverse[index, index]
        now -= np.outer(error, inverse[index])
        inverse = inverse - np.outer(inverse[:, index], inverse[index]) / inverse[index, index]
    return found


def qronos(
    weight: np.ndarray,
    hessian: np.ndarray,
    mixed: np.ndarray,
    damping: float,
    rounded: Round,
    order: list[int],
) -> np.ndarray:
    """Return the values of a weight, (rows, n), by Qronos' two steps (arXiv:2505.11695).

    Args:
        weight: (rows, n).
        hessian: H, the sum of x x^T over operands of the quantised model.
        mixed: G, the sum of x t^T with t the float model's operands.
        damping: added to the diagonals of both where the others move.
        rounded: rounds a column.
        order: of the columns.
    """
    first, rest = order[0], sorted(order[1:])
    h, g = hessian, mixed
    best = (weight @ g[first] - weight[:, rest] @ h[first, rest]) / h[first, first]
    ridge = damping * np.eye(len(h))
    inner = (h + ridge)[np.ix_(rest, rest)]
    # The scale of a group that is entered now follows what least squares makes of its columns.
    now = np.linalg.solve(h + ridge, (g + ridge) @ weight.T).T
    now[:, first] = best
    found = now.copy()
    found[:, first] = rounded(now, first)
    asked = (g + ridge)[rest] @ weight.T - np.outer(h[rest, first], found[:, first])
    now[:, rest] = np.linalg.solve(inner, asked).T
    inverse = np.zeros_like(h)
    inverse[np.ix_(rest, rest)] = np.linalg.inv(inner)
    found[:, rest] = _diffused(now, inverse, rounded, order[1:])[:, rest]
    return found
