"""Events of rounding against exact fractions between neighbouring values."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from plena_cosim.golden import decode, get_format
from plena_cosim.golden.formats import Scalar
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim.coverage.events import EVENTS, EXACT, event_counts


def expected(exact: list[Fraction], results: list[int], fmt: Scalar) -> Counter[str]:
    """Return the events of results one by one, from a sorted list of all values."""
    sign = 1 << (fmt.width_bits - 1)
    values = [Fraction(float(v)) for v in decode(np.arange(fmt.max_code + 1), fmt)]
    normal, step = Fraction(fmt.min_normal), values[-1] - values[-2]
    power = {float(np.ldexp(1.0, e)) for e in range(-40, 40)}
    seen: Counter[str] = Counter()
    for value, result in zip(exact, results, strict=True):
        size, got = abs(value), result & (sign - 1)
        if size == 0:
            continue
        if size < normal:
            seen["subnormal, exact" if size in values else "subnormal, inexact"] += 1
        if size > values[-1]:
            over = size >= values[-1] + step
            seen["overflow" if over else "beyond the largest by less than a step"] += 1
            continue
        low = bisect_right(values, size) - 1
        if values[low] == size:
            seen["exact"] += 1
            continue
        part = (size - values[low]) / (values[low + 1] - values[low])
        half = Fraction(1, 2)
        tie = f"tie above {'odd' if low & 1 else 'even'}"
        seen["below half" if part < half else "above half" if part > half else tie] += 1
        if got == 0:
            seen["underflow to zero"] += 1
        if got == low + 1 and float(values[got]) in power:
            if values[got] > normal:
                seen["up into the next binade"] += 1
            elif values[got] == normal:
                seen["up to the smallest normal"] += 1
    return seen


@pytest.mark.parametrize("rounding", ["rne", "rtz", "rup"])
@pytest.mark.parametrize("name", ["e3m2", "e4m3", "e5m2"])
@pytest.mark.parametrize("block", ["fp_add", "fp_mul"])
def test_all_pairs(block: str, name: str, rounding: str) -> None:
    fmt, op = get_format(name), get_op(block)
    step = 1 if fmt.width_bits < 8 else 5
    codes = np.arange(0, 1 << fmt.width_bits, step)
    a, b = (grid.ravel().astype(np.uint8) for grid in np.meshgrid(codes, codes))
    inputs = {"a": a, "b": b}
    outputs = op.run_golden(inputs, fmt=fmt, rounding=rounding)
    port, exact = EXACT[block]
    counts = event_counts(exact(inputs, outputs, {"fmt": fmt}), outputs[port], fmt)
    left, right = decode(a, fmt), decode(b, fmt)
    finite = np.isfinite(left) & np.isfinite(right)
    pairs = zip(left[finite], right[finite], strict=True)
    join = (lambda x, y: x + y) if block == "fp_add" else (lambda x, y: x * y)
    fractions = [join(Fraction(float(x)), Fraction(float(y))) for x, y in pairs]
    wanted = expected(fractions, outputs[port][finite].tolist(), fmt)
    assert {event: wanted[event] for event in EVENTS} == dict(zip(EVENTS, counts, strict=True))


def test_a_sum_that_float64_cannot_hold_is_above_the_tie() -> None:
    """1 + 2^-8 is a tie of bf16; 1 + 2^-8 and a speck of 2^-120 more is above half."""
    bf16 = get_format("bf16")
    wide = np.array([1.0 + 2.0**-8, np.nextafter(1.0 + 2.0**-8, 2)])
    counts = event_counts(wide, np.array([0x3F80, 0x3F81]), bf16)
    seen = dict(zip(EVENTS, counts, strict=True))
    assert (seen["tie above even"], seen["above half"]) == (1, 1)


def test_fixed_point_reaches_one_code_further_below_zero() -> None:
    q26 = get_format("q2.6")
    exact = np.array([-2.0, 2.0, -2.0 - 2.0**-6, 1.984375 + 2.0**-7, 2.0**-8])
    counts = event_counts(exact, np.array([0x80, 0x7F, 0x80, 0x7F, 0]), q26)
    assert {event: n for event, n in zip(EVENTS, counts, strict=True) if n} == {
        "exact": 1,
        "overflow": 2,
        "beyond the largest by less than a step": 1,
        "below half": 1,
        "underflow to zero": 1,
    }
