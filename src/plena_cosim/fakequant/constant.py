"""Constants of the composite operations: real numbers rounded once to a format."""

from __future__ import annotations

from functools import lru_cache

from plena_cosim.golden import Minifloat, decode, encode
from plena_cosim.golden.transcendental import reciprocal_of, reciprocal_square_root


@lru_cache(maxsize=1024)
def reciprocal_value(n: int, fmt: Minifloat) -> float:
    """Return RN(1 / n)."""
    return _rounded(reciprocal_of(n, 0), fmt)


@lru_cache(maxsize=1024)
def rsqrt_value(n: int, fmt: Minifloat) -> float:
    """Return RN(1 / sqrt(n))."""
    return _rounded(reciprocal_square_root(n, 0), fmt)


def _rounded(odd: float, fmt: Minifloat) -> float:
    return float(decode(encode(odd, fmt), fmt))
