"""make_observer: which methods go with which formats and granularities."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineInt, Granularity, ScaledFp
from plena_cosim.passes.ranges import Observer, make_observer
from plena_cosim.passes.recipe.range_rule import RangeMethod, RangeRule

from .samples import INT8, TENSOR

FP8 = ScaledFp(element="e4m3")
GROUPS = Granularity(kind="group", ch_axis=-1, group_size=8)


@pytest.mark.parametrize("method", RangeMethod)
def test_every_method_has_an_observer(method: RangeMethod) -> None:
    assert isinstance(make_observer(RangeRule(method), INT8, TENSOR), Observer)


@pytest.mark.parametrize(
    ("rule", "fmt", "granularity", "message"),
    [
        ("mse", INT8, TENSOR, r"need a RangeRule such as RangeRule\('mse'\), got 'mse'"),
        (RangeRule(), "int8", TENSOR, "need an AffineInt or a ScaledFp"),
        (RangeRule("mse"), INT8, GROUPS, "groups have too few of them; take one of min_max"),
        (RangeRule("percentile"), INT8, GROUPS, "'percentile' counts values"),
        (RangeRule("entropy"), FP8, TENSOR, "equal steps, which e4m3 with scales in fp32 has not"),
        (RangeRule("histogram_pro"), FP8, TENSOR, "take mse, percentile or min_max"),
    ],
)
def test_what_does_not_go_together_is_named(
    rule: Any, fmt: Any, granularity: Granularity, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        make_observer(rule, fmt, granularity)


def test_levels_are_those_of_the_format() -> None:
    for fmt, levels in ((INT8, 128), (AffineInt(bits=4, signed=False), 16)):
        observer: Any = make_observer(RangeRule("entropy"), fmt, TENSOR)
        assert observer.choose.keywords["levels"] == levels
