"""The functions' fraction widths: no result is so near a code or midpoint that what is cut matters.

The codes of all formats with man_w fraction bits are sig * 2^e, sig of man_w + 1 bits (a subnormal
has fewer, and is one of a smaller e). A result is decided by its first man_w + 2 bits, a subnormal
one by fewer. So its distance from a multiple of the last of them must exceed the datapath's error,
which is below 2^(4 - FracW): see plena_fp_exp2_parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from plena_cosim.sim.verilate.rtl_files import RTL_DIR

LONG = np.longdouble
MAN_BITS = range(15)
LAST_EXP = 9
"""2^(2^10) is beyond every format: biases reach 512."""


def frac_bits(op: str, man_bits: int) -> int:
    """Return FracW as the RTL computes it."""
    text = (RTL_DIR / "fp" / f"plena_fp_{op}.sv").read_text(encoding="utf-8")
    found = re.search(r"localparam int unsigned FracW +=([^;]+);", text)
    assert found, f"plena_fp_{op}.sv has no FracW"
    expression = found[1].replace("F.man_w", str(man_bits))
    return int(eval(expression, {"max": max}))


def arguments(man_bits: int) -> Iterator[Any]:
    """Yield the positive arguments, a binade at a time.

    One below 2^-(man_bits + 3) makes a result between 1 (or 1/2) and the first midpoint, and the
    datapath keeps it there: see the contracts.
    """
    significands = np.arange(1 << man_bits, 2 << man_bits).astype(LONG)
    for exp in range(-man_bits - 3, LAST_EXP + 1):
        yield np.ldexp(significands, exp - man_bits)


def exp(x: Any) -> Any:
    """Return e^x, scaled by a power of two."""
    return exp2(x / np.log(LONG(2)))


def exp2(x: Any) -> Any:
    """Return 2^x, scaled by a power of two; 1 means an integer x, which is exact."""
    return np.exp2(x - np.floor(x))


def sigmoid(x: Any) -> Any:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def distance(results: Any, man_bits: int) -> float:
    """Return how near a result in [1, 2) comes to a multiple of 2^-(man_bits + 1)."""
    mantissa, _ = np.frexp(results)
    units = np.ldexp(mantissa, man_bits + 2)
    return float(np.ldexp(np.abs(units - np.rint(units)), -man_bits - 1).min(initial=1.0))


@pytest.mark.skipif(np.finfo(LONG).nmant < 63, reason="needs 80-bit floating point")
@pytest.mark.parametrize("man_bits", MAN_BITS)
@pytest.mark.parametrize("function", [exp, exp2, sigmoid])
def test_nothing_is_nearer_than_the_error(function: Callable[[Any], Any], man_bits: int) -> None:
    nearest = 1.0
    for x in arguments(man_bits):
        for signed in (x, -x):
            results = function(signed)
            usable = results > 0
            if function is exp2:
                usable &= signed != np.floor(signed)
            if function is sigmoid:  # so near to 1 that only "below 1" matters
                usable &= 1 - results > 2.0 ** -(man_bits + 5)
            nearest = min(nearest, distance(results[usable], man_bits))
    error = 2.0 ** (4 - frac_bits(function.__name__, man_bits))
    assert nearest > error, f"2^{np.log2(nearest):.2f} against 2^{np.log2(error):.0f}"
