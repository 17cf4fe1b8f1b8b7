"""RangeRule: defaults of each method, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.passes.recipe.range_rule import RangeMethod, RangeRule

KEYS = ("percentile", "skip_zeros", "bins", "start_bin")


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("min_max", (None, None, None, None)),
        ("percentile", (99.99999999, True, None, None)),
        ("histogram", (None, None, None, None)),
        ("histogram_pro", (None, None, 256, None)),
        ("mse", (None, None, 2048, 2045)),
        ("entropy", (None, None, 2048, 128)),
    ],
)
def test_defaults_of_each_method(method: str, values: tuple[Any, ...]) -> None:
    rule = RangeRule(method)
    assert rule.method is RangeMethod(method)
    assert tuple(getattr(rule, key) for key in KEYS) == values
    assert rule == RangeRule(RangeMethod(method), **dict(zip(KEYS, values, strict=True)))


def test_there_is_a_rule_without_arguments() -> None:
    assert RangeRule().method is RangeMethod.MIN_MAX
    assert hash(RangeRule()) == hash(RangeRule("min_max"))
    assert RangeRule("percentile", percentile=100).percentile == 100.0


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("minmax", {}, "unknown range method 'minmax'"),
        ("min_max", {"bins": 8}, r"'min_max' does not read bins \(got 8\); it reads nothing else"),
        ("mse", {"percentile": 99.0}, "does not read percentile .* it reads bins, start_bin"),
        ("histogram_pro", {"start_bin": 1}, "does not read start_bin"),
        ("percentile", {"percentile": 0.0}, "above 0 and at most 100, got 0.0"),
        ("percentile", {"percentile": 100.5}, "above 0 and at most 100, got 100.5"),
        ("percentile", {"percentile": float("nan")}, "at most 100, got nan"),
        ("percentile", {"percentile": "99"}, "at most 100, got '99'"),
        ("percentile", {"percentile": True}, "at most 100, got True"),
        ("percentile", {"skip_zeros": 1}, "skip_zeros must be True or False, got 1"),
        ("mse", {"bins": 3}, r"bins must be an integer in 4\.\.65536, got 3"),
        ("mse", {"bins": 65537}, r"bins must be an integer in 4\.\.65536, got 65537"),
        ("mse", {"bins": 64.0}, "bins must be an integer"),
        ("mse", {"bins": 2045}, r"start_bin must be an integer in 1\.\.2044, got 2045"),
        ("entropy", {"start_bin": 0}, r"start_bin must be an integer in 1\.\.2047, got 0"),
    ],
)
def test_bad_values_are_named(method: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        RangeRule(method, **given)
