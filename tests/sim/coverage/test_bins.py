"""Kinds of codes against values: what a kind's name says is true of its codes' values."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim.golden import decode, get_format
from plena_cosim.sim.coverage.bins import (
    block_features,
    feature_counts,
    flag_partition,
    scalar_partition,
    scale_partition,
)

MINIFLOATS = ["e1m2", "e2m1", "e3m2", "e4m3", "e5m2", "e5m6", "e2m0", "fp16", "bf16"]
MINIFLOATS += ["e4m3fnuz", "e1m0fnuz"]


@pytest.mark.parametrize("name", MINIFLOATS)
def test_kinds_say_what_the_values_are(name: str) -> None:
    fmt = get_format(name)
    codes = np.arange(1 << fmt.width_bits)
    partition = scalar_partition(fmt)
    labels = [partition.names[kind] for kind in partition.classify(codes)]
    values = decode(codes, fmt)
    for value, label in zip(values, labels, strict=True):
        kind, size = label[1:], abs(value)
        if np.isnan(value):
            assert kind == "NaN"
            continue
        assert (label[0] == "-") == bool(np.signbit(value))
        assert (kind == "Inf") == np.isinf(value)
        assert (kind == "zero") == (value == 0)
        assert ("subnormal" in kind) == (0 < size < fmt.min_normal)
        assert (kind == "smallest subnormal") == (size == fmt.min_subnormal < fmt.min_normal)
        if kind == "one":
            assert size == 1
        if kind == "largest finite":
            assert size == fmt.max_value
        if kind in ("power of two", "smallest normal", "one"):
            assert np.frexp(size)[0] == 0.5
        if kind == "other normal":
            assert np.frexp(size)[0] != 0.5
            assert fmt.min_normal < size < fmt.max_value
    assert set(labels) == set(partition.names)


@pytest.mark.parametrize("name", ["q2.6", "q8.8", "q2.0"])
def test_fixed_point_kinds(name: str) -> None:
    fmt = get_format(name)
    codes = np.arange(1 << fmt.width_bits)
    partition = scalar_partition(fmt)
    for code, kind in zip(codes, partition.classify(codes), strict=True):
        label = partition.names[kind]
        value = float(decode([code], fmt)[0])
        assert (label[0] == "-") == (value < 0)
        assert label[1:] != "lowest" or code == fmt.max_code + 1
        assert label[1:] != "one" or abs(value) == 1
        assert (label == "+zero") == (value == 0)


@pytest.mark.parametrize("name", ["fp32", "q16.16"])
def test_kinds_of_wide_formats_come_without_a_table(name: str) -> None:
    """Every kind found by the probe is there, and codes never fall out of the list."""
    fmt = get_format(name)
    partition = scalar_partition(fmt)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 1 << 32, 100_000, dtype=np.uint64).astype(np.uint32)
    histogram = partition.histogram(codes)
    assert histogram.sum() == codes.size
    narrow = {n for n in partition.names if n.endswith(("other normal", "other"))}
    assert histogram[[n in narrow for n in partition.names]].sum() > 90_000
    ends = [0, fmt.max_code, 1, 1 << 31]
    kinds = [partition.names[kind] for kind in partition.classify(np.array(ends))]
    last = ["+largest finite", "+smallest subnormal", "-zero"]
    assert kinds == ["+zero", *(last if name == "fp32" else ["+largest", "+one unit", "-lowest"])]


def test_a_format_without_specials_has_no_bin_for_them() -> None:
    assert not any(
        "NaN" in name or "Inf" in name for name in scalar_partition(get_format("e3m2")).names
    )
    assert "special inside" not in block_features(get_format("e3m2"), 4)
    assert "special inside" in block_features(get_format("bf16"), 4)


def test_a_nan_in_the_place_of_minus_zero_is_a_positive_one() -> None:
    fmt = get_format("e4m3fnuz")
    partition = scalar_partition(fmt)
    assert {"+zero", "+NaN"} <= set(partition.names)
    assert not {"-zero", "-NaN", "+Inf", "-Inf"} & set(partition.names)
    assert partition.names[partition.classify(np.array([0x80]))[0]] == "+NaN"
    wide = scalar_partition(get_format("e8m15fnuz")).names
    assert "+NaN" in wide
    assert "-zero" not in wide


def test_scales_and_flags() -> None:
    wide, narrow = (
        scale_partition(get_format("mxint8")),
        scale_partition(get_format("mxint8", scale_bits=4)),
    )
    assert wide.names == ("smallest", "2^0", "largest", "NaN", "other")
    assert narrow.names == ("smallest", "2^0", "largest", "other")
    assert wide.histogram(np.array([0, 127, 254, 255, 3, 4])).tolist() == [1, 1, 1, 1, 2]
    assert flag_partition().histogram(np.array([0, 1, 1])).tolist() == [1, 2]


def test_features_of_rows() -> None:
    fmt = get_format("e5m2")
    inf, largest, one = fmt.inf_code, fmt.max_code, fmt.bias_value << fmt.man_bits
    rows = np.array([[0, 0x80], [one, 0], [one, 0x80 | one], [inf, 1], [largest, 2], [3, 3]])
    counts = dict(zip(block_features(fmt, 2), feature_counts(rows, fmt), strict=True))
    assert counts == {
        "all zero": 1,
        "one nonzero": 1,
        "all nonzero": 4,
        "special inside": 1,
        "largest is a power of two": 2,
        "largest is the format's": 1,
    }
