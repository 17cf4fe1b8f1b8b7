"""Algorithms by their names in [gptq]: what outputs are wanted, and what fits the weights to them.

Nothing else in this room names one, so that another is one more entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from torch import Tensor

from plena_cosim.golden import Mx

from .block_scale import ScaleSearch
from .gptq import Solution, solve

Fit = Callable[[Tensor, Tensor, Mx, ScaleSearch, list[int] | None], Solution]
"""Arguments and result as those of `gptq.solve`. Rows must not depend on each other: those of all
matrices that read the same input come together."""


class Wanted(Enum):
    """The operands for which a matrix in floating point gives the outputs that are wanted."""

    QUANTIZED = "quantized"
    """Those that the quantised matrix has: it only makes up for its own rounding."""
    UNROUNDED = "unrounded"
    """The same before they were rounded."""
    FLOAT = "float"
    """Those of the float model; for experts, to whom it sends other tokens, as QUANTIZED."""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """One value of the key `algorithm`.

    Attributes:
        wanted: which outputs are wanted.
        fit: what quantises the weight that is best for them.
    """

    wanted: Wanted
    fit: Fit = solve

    def sums_cross_gram(self, *, expert: bool) -> bool:
        """Return whether a Hessian has to sum what is wanted in the place of the operands.

        Args:
            expert: whether the matrix is that of an expert.
        """
        return self.wanted is Wanted.UNROUNDED or (self.wanted is Wanted.FLOAT and not expert)


ALGORITHMS: Mapping[str, Algorithm] = {
    "gptq": Algorithm(wanted=Wanted.QUANTIZED),
    "local": Algorithm(wanted=Wanted.UNROUNDED),
    "gptaq": Algorithm(wanted=Wanted.FLOAT),
}
"""The values of the key `algorithm` in `recipe/calibration_tables.py`."""
