"""Algorithms by their names in [gptq]: what outputs are wanted, and how the Hessian is damped.

Nothing else in this room names one, so that another is one more entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from torch import Tensor

from ..recipe.calibration_tables import GptqTable
from .damping import Damping, damping_of_eigenvalue, damping_of_mean


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
        corrects_first: the first column is rounded as it is best while all others stay as they
            were, and the others make up for it; else as it is best together with them.
        damping: what is added to the Hessian's diagonal.
    """

    wanted: Wanted
    corrects_first: bool = False
    damping: Callable[[GptqTable, Tensor], Damping] = damping_of_mean

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
    "qronos": Algorithm(wanted=Wanted.FLOAT, corrects_first=True, damping=damping_of_eigenvalue),
}
"""The values of the key `algorithm` in `recipe/calibration_tables.py`."""
