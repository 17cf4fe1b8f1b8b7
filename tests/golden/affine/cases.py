"""Every affine format, and groups of values where they go wrong."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from plena_cosim.golden.affine import AffineInt, ScaledFp

ROUNDINGS = ("rne", "rna", "rdown")
RULES = ("floor", "ceil", "even")
ELEMENTS = ("e4m3", "e5m2", "e2m3", "e3m2", "e2m1")
SCALES = [{"scale": scale} for scale in ("fp32", "fp16", "bf16")]
POW2 = {"scale": "pow2"}
POWERS = [{"scale": "e8m0", "scale_rule": rule} for rule in RULES]
WIDTHS = [(bits, signed) for bits in range(2, 9) for signed in (True, False)]


def integer_formats(bits: int, *, signed: bool) -> list[AffineInt]:
    """All formats of a width: zero points, codes, scales, roundings and quotients."""
    zeros = [
        *({"zero_point": "none", **scale} for scale in (*SCALES, POW2, *POWERS)),
        {"zero_point": "int32", **POW2},
        *({"zero_point": zero, **scale} for zero in ("int32", "float32") for scale in SCALES),
    ]
    narrow = [
        AffineInt(bits=bits, symmetric_codes=True, **fields)
        for fields in ({}, {"quotient": "reciprocal"}, *POWERS)
        if signed
    ]
    return [
        AffineInt(bits=bits, signed=signed, rounding=rounding, quotient=quotient, **fields)
        for fields, rounding, quotient in itertools.product(
            zeros, ROUNDINGS, ("divide", "reciprocal")
        )
    ] + narrow


def minifloat_formats(element: str) -> list[ScaledFp]:
    """All formats of an element."""
    scales = [{"scale": "fp32"}, *POWERS, {"scale": "e4m3"}]
    return [ScaledFp(element=element, **fields) for fields in scales]


FORMATS = [
    *(fmt for bits, signed in WIDTHS for fmt in integer_formats(bits, signed=signed)),
    *(fmt for element in ELEMENTS for fmt in minifloat_formats(element)),
]


def label(fmt: AffineInt | ScaledFp) -> str:
    """A test id that tells formats apart."""
    if isinstance(fmt, ScaledFp):
        return f"{fmt.minifloat.name}-{fmt.scale.value}-{fmt.scale_rule.value}"
    parts = (fmt.zero_point, fmt.scale, fmt.scale_rule, fmt.rounding, fmt.quotient)
    codes = ["symmetric"] if fmt.symmetric_codes else []
    return "-".join([fmt.name, *codes, *(part.value for part in parts)])


MOST = float(np.finfo(np.float32).max)
LEAST = 2.0**-149


def finite_groups(seed: int = 0) -> npt.NDArray[np.float32]:
    """Groups of six: zeros, ties, ends of fp32, powers of two and what is beside them, random."""
    rng = np.random.default_rng(seed)
    rows: list[list[float]] = [
        [0.0] * 6,
        [-0.0] * 6,
        [0.0, -0.0, 0.0, -0.0, 0.0, 1.0],
        [127.5, -127.5, 0.5, 1.5, -0.5, -2.5],
        [7.5, -7.5, 0.5, 1.5, -1.5, 2.5],
        [3.5, -1.5, 1.5, 0.5, -0.5, 0.49999997],
        [255.0, 0.5, 1.5, 2.5, 254.5, 253.5],
        [15.0, 0.5, 1.5, 2.5, 14.5, -0.0],
        [-1.0, -2.0, -3.0, -4.5, -5.5, -6.0],
        [0.3] * 6,
        [-1e30] * 6,
        [1.0, 1.0000001, 1.0000002, 1.0, 1.0, 1.0],
        [LEAST, -LEAST, 0.0, 3 * LEAST, 1e-40, -1e-39],
        [2.0**-126, -(2.0**-127), 2.0**-130, 2.0**-133, 0.0, -LEAST],
        [1e-30, -2e-30, 5e-31, 0.0, 1e-31, 3e-30],
        [2.0**-23, -(2.0**-24), 2.0**-22, 2.0**-25, 0.0, 1e-7],
        [MOST, -MOST, 1.0, 0.0, MOST / 2, -1.0],
        [MOST, MOST / 2, 3e38, 0.0, 1.0, MOST / 3],
        [-MOST, 0.0, -1.0, -3e38, -1e38, -0.0],
        [1e7, -2e7, 3e6, 65504.0, 8.3e6, 0.0],
        [6.0, 2.5, 0.25, 0.75, -5.0, 1.75],
        [448.0, 17.0, 19.0, 2.0**-9, 2.0**-10, -464.0],
    ]
    for bits in (1, 2, 3, 4, 8):
        edge = 2.0 - 2.0 ** (-bits - 1)
        below, above = np.nextafter(np.float32(edge), np.float32([0.0, 4.0]))
        for top in (edge, below, above, 1.0):
            rows.append([float(top) * 2.0**5, 1.0, -3.0, 0.1, 7.3, -0.0])
    random = np.ldexp(rng.normal(size=(16, 6)), rng.integers(-60, 60, (16, 1)))
    ties = rng.integers(-255, 256, (6, 6)) / 2.0
    bits_of = rng.integers(0, 1 << 32, (12, 6), dtype=np.uint64).astype(np.uint32)
    anything = bits_of.view(np.float32)
    anything = np.where(np.isfinite(anything), anything, np.float32(0))
    return np.concatenate([np.float32(rows), np.float32(random), np.float32(ties), anything])


def special_groups() -> npt.NDArray[np.float32]:
    """Groups of six with a NaN or an Inf, and one without."""
    nan, inf = np.nan, np.inf
    rows = [
        [1.0, nan, -2.0, 0.5, 0.0, -0.0],
        [1.0, inf, -2.0, 0.5, 0.0, -0.0],
        [1.0, -inf, -2.0, 0.5, 0.0, -0.0],
        [inf, -inf, nan, 0.0, 0.0, 0.0],
        [nan] * 6,
        [inf] * 6,
        [1.0, 2.0, -3.0, 0.5, 0.0, -0.0],
    ]
    return np.float32(rows)
