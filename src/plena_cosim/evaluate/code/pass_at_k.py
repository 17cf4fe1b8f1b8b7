"""pass_at_k: how likely one of k samples is right, estimated from more of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from fractions import Fraction

from plena_cosim.golden import FormatError


def pass_at_k(samples: int, right: int, k: int) -> Fraction:
    """Return the unbiased estimate that one of k samples is right.

    Source: Chen et al. 2021, "Evaluating Large Language Models Trained on Code", equation 1:
    1 - C(n - c, k) / C(n, k). It is the share of all sets of k samples that hold a right one.

    Args:
        samples: n, how many there are.
        right: c, how many of them are right.
        k: 1 … n.

    Raises:
        FormatError: the numbers cannot be.

    >>> pass_at_k(5, 2, 3)
    Fraction(9, 10)
    """
    if not (0 <= right <= samples and 1 <= k <= samples):
        raise FormatError(
            f"pass@{k} of {right} right ones among {samples} samples cannot be; k is 1 … samples"
        )
    return 1 - Fraction(math.comb(samples - right, k), math.comb(samples, k))


def mean_and_error(estimates: Sequence[Fraction]) -> tuple[float, float | None]:
    """Return the mean over problems, and its standard error; None for one problem.

    Args:
        estimates: one a problem.
    """
    mean = float(sum(estimates, Fraction()) / len(estimates))
    if len(estimates) < 2:
        return mean, None
    return mean, math.sqrt(float(statistics.variance(estimates)) / len(estimates))
