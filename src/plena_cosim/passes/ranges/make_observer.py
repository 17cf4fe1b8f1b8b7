"""make_observer: the observer of a rule, for a format and a granularity."""

from __future__ import annotations

from functools import partial

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineFormat, AffineInt, Granularity, Grouping
from plena_cosim.golden.affine.format import as_affine

from ..recipe.range_rule import AS_MIN_MAX, RangeMethod, RangeRule
from .bound import BoundObserver
from .least_divergence import least_divergence_bound
from .least_error import least_error_bound
from .min_max import MinMaxObserver
from .observer import Observer
from .percentile import PercentileObserver
from .shrinking import ShrinkingObserver


def make_observer(rule: RangeRule, fmt: AffineFormat, granularity: Granularity) -> Observer:
    """Return an observer that has seen nothing.

    Args:
        rule: what of the data is the range.
        fmt: AffineInt or ScaledFp, which `mse`, `entropy` and `histogram_pro` look at.
        granularity: which values share a scale. Groups take `min_max` (or `histogram`) only.

    Raises:
        FormatError: no rule, no such format, groups with a method that counts values, or
            `entropy` and `histogram_pro` for minifloats.

    >>> import torch
    >>> observer = make_observer(RangeRule(), AffineInt(bits=8), Granularity())
    >>> observer.update(torch.tensor([1.0, -3.0]))
    >>> observer.range()
    (tensor(-3.), tensor(1.))
    """
    if not isinstance(rule, RangeRule):
        raise FormatError(f"make_observer: need a RangeRule such as RangeRule('mse'), got {rule!r}")
    fmt, method = as_affine(fmt), RangeMethod(rule.method)
    if granularity.kind is Grouping.GROUP and method not in AS_MIN_MAX:
        known = ", ".join(each.value for each in AS_MIN_MAX)
        raise FormatError(
            f"range method {method.value!r} counts values, and groups have too few of them; "
            f"take one of {known}, or a scale a tensor or channel"
        )
    if method in AS_MIN_MAX:
        return MinMaxObserver(granularity)
    if method is RangeMethod.PERCENTILE:
        assert rule.percentile is not None
        return PercentileObserver(
            granularity, percentile=rule.percentile, skip_zeros=bool(rule.skip_zeros)
        )
    assert rule.bins is not None
    if method is RangeMethod.MSE:
        assert rule.start_bin is not None
        error = partial(least_error_bound, fmt=fmt, start_bin=rule.start_bin)
        return BoundObserver(granularity, bins=rule.bins, choose=error)
    if not isinstance(fmt, AffineInt):
        raise FormatError(
            f"range method {method.value!r} counts equal steps, which {fmt.name} has not; "
            "take mse, percentile or min_max"
        )
    if method is RangeMethod.HISTOGRAM_PRO:
        return ShrinkingObserver(granularity, bins=rule.bins, levels=1 << fmt.bits)
    assert rule.start_bin is not None
    divergence = partial(
        least_divergence_bound,
        levels=1 << (fmt.bits - 1 if fmt.signed else fmt.bits),
        start_bin=rule.start_bin,
    )
    return BoundObserver(granularity, bins=rule.bins, choose=divergence)
