"""Oracle results of two-operand ops, shared by the tests of add, sub and mul."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import Minifloat

from ..compare import assert_codes
from ..oracle import MODES, OVERFLOWS, Real, is_special, scalar
from ..samples import corner_codes, random_codes

RealOp = Callable[[Real, Real, str], Real]
CodeOp = Callable[..., npt.NDArray[Any]]
Codes = npt.NDArray[np.integer[Any]]


def assert_pairs(
    op: CodeOp,
    real_op: RealOp,
    a: Codes,
    b: Codes,
    fmt: Minifloat,
    modes: Iterable[str] = MODES,
    overflows: Iterable[str] = OVERFLOWS,
) -> None:
    """Every result is the exact one, rounded once; equal exact results are rounded only once."""
    oracle = scalar(fmt)
    values = {int(c): oracle.value(int(c)) for c in {*a.tolist(), *b.tolist()}}
    operands = [(values[x], values[y]) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    for zero_mode in ({"rdown"} & {*modes}, {*modes} - {"rdown"}):
        results: dict[object, tuple[int, Real]] = {}
        which = np.empty(len(operands), dtype=np.int64)
        for i, (x, y) in enumerate(operands):
            result = real_op(x, y, min(zero_mode, default="rne"))
            key = result if result != 0 and not is_special(result) else str(float(result))
            which[i] = results.setdefault(key, (len(results), result))[0]
        for mode, overflow in itertools.product(sorted(zero_mode), overflows):
            want = np.array([oracle.encode(x, mode, overflow) for _, x in results.values()])
            got = op(a, b, fmt, rounding=mode, overflow=overflow)
            assert_codes(
                got, want[which], lambda i, m=mode, o=overflow: f"{m} {o}: {a[i]:#x}, {b[i]:#x}"
            )


def all_pairs(fmt: Minifloat) -> tuple[Codes, Codes]:
    codes = np.arange(1 << fmt.width_bits)
    return np.repeat(codes, codes.size), np.tile(codes, codes.size)


def corner_pairs(fmt: Minifloat) -> tuple[Codes, Codes]:
    """All pairs of corners, and random codes with near exponents, where sums cancel."""
    corners = corner_codes(fmt)
    a = random_codes(fmt, 1500, 21)
    far = random_codes(fmt, 500, 22)
    near = (a[:1000].astype(np.int64) ^ (1 << (fmt.width_bits - 1))) + random_codes(
        fmt, 1000, 23
    ).astype(np.int64) % (8 << fmt.man_bits)
    near &= (1 << fmt.width_bits) - 1
    return (
        np.concatenate([np.repeat(corners, corners.size), a]).astype(np.int64),
        np.concatenate([np.tile(corners, corners.size), near, far]).astype(np.int64),
    )
