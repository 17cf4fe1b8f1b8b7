"""Fixed point without its lowest code: casts, and accumulators, which no case of the table has."""

from __future__ import annotations

import numpy as np

from plena_cosim.golden import FixedPoint, get_format, ops
from plena_cosim.sim import load_block
from plena_cosim.sim.verilate.model import SHORT

SYMMETRIC = FixedPoint(int_bits=4, frac_bits=0, symmetric=True)
LOWEST = 0x8


def test_cast_never_gives_the_lowest_code() -> None:
    src = get_format("e3m2")
    codes = np.arange(64, dtype=np.uint8)
    got = load_block("fp_cast", flavour=SHORT, src=src, dst=SYMMETRIC).run(a=codes)
    np.testing.assert_array_equal(got, ops.cast(codes, src, SYMMETRIC))
    assert LOWEST not in got
    assert LOWEST + 1 in got


def test_accumulator_never_reaches_the_lowest_code() -> None:
    mx = get_format("mxint4", block_size=2, scale_bits=3)
    formats = {"a": mx, "b": mx, "acc": SYMMETRIC}
    rng = np.random.default_rng(0)
    inputs = {
        "a_codes": rng.integers(0, 16, (4000, 2)),
        "a_scale": rng.integers(2, 5, 4000),
        "b_codes": rng.integers(0, 16, (4000, 2)),
        "b_scale": rng.integers(2, 5, 4000),
        "first": rng.integers(0, 8, 4000) == 0,
    }
    got = load_block("mx_dot", flavour=SHORT, **formats).run(**inputs)
    np.testing.assert_array_equal(got, ops.mx_dot(*inputs.values(), **formats))
    assert LOWEST not in got
    assert LOWEST + 1 in got
