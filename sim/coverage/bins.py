"""Kinds of codes, derived from formats alone: every code is of exactly one kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import FixedPoint, Minifloat, Mx, Scalar

Codes = npt.NDArray[Any]
Kinds = npt.NDArray[np.uint8]
"""Index of each code's kind in `Partition.names`."""
TABLE_BITS = 16


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The kinds of a port's codes."""

    names: tuple[str, ...]
    classify: Callable[[Codes], Kinds]

    def histogram(self, codes: Codes) -> npt.NDArray[np.int64]:
        """Return how many codes are of each kind."""
        return np.bincount(self.classify(codes).ravel(), minlength=len(self.names))


@cache
def scalar_partition(fmt: Scalar) -> Partition:
    """Return the kinds of a scalar format's codes, each with its sign.

    A NaN in the place of -0 counts as +NaN.

    Minifloat: zero, subnormal (smallest, largest, other), smallest normal, largest finite, one,
    other powers of two, other normals, Inf, NaN: those that the format has. FixedPoint: zero, one
    unit, largest, lowest, one, other powers of two, other.

    >>> from plena_cosim.golden import get_format
    >>> ", ".join(name for name in scalar_partition(get_format("e2m1")).names if name[0] == "+")
    '+zero, +smallest subnormal, +smallest normal, +power of two, +largest finite, +other normal'
    """
    labels = _MINIFLOAT if isinstance(fmt, Minifloat) else _FIXED
    small = fmt.width_bits <= TABLE_BITS
    probe = np.arange(1 << fmt.width_bits) if small else probe_codes(fmt)
    kinds = _kinds(probe, fmt)
    present = [kind for kind in range(2 * len(labels)) if (kinds == kind).any()]
    index = np.zeros(2 * len(labels), dtype=np.uint8)
    index[present] = np.arange(len(present))
    names = tuple(f"{'-' if kind % 2 else '+'}{labels[kind // 2]}" for kind in present)
    if small:
        table = index[kinds]
        return Partition(names=names, classify=lambda codes: table[codes])
    return Partition(names=names, classify=lambda codes: index[_kinds(codes, fmt)])


_MINIFLOAT = (
    "zero",
    "smallest subnormal",
    "largest subnormal",
    "other subnormal",
    "smallest normal",
    "one",
    "power of two",
    "largest finite",
    "other normal",
    "Inf",
    "NaN",
)
_FIXED = ("zero", "one unit", "one", "power of two", "largest", "lowest", "other")


def _kinds(codes: Codes, fmt: Scalar) -> Kinds:
    """Return twice the index of each code's label, plus one if it is negative."""
    return _minifloat_kinds(codes, fmt) if isinstance(fmt, Minifloat) else _fixed_kinds(codes, fmt)


def _minifloat_kinds(codes: Codes, fmt: Minifloat) -> Kinds:
    wide = codes.astype(np.int64)
    magnitude = wide & (fmt.sign_mask - 1)
    hidden = 1 << fmt.man_bits
    kinds = np.full(wide.shape, _MINIFLOAT.index("other normal"), dtype=np.uint8)

    def mark(label: str, where: npt.NDArray[np.bool_]) -> None:
        kinds[where] = _MINIFLOAT.index(label)

    mark("power of two", (magnitude & (hidden - 1)) == 0)
    mark("one", magnitude == fmt.bias_value * hidden)
    mark("smallest normal", magnitude == hidden)
    mark("other subnormal", magnitude < hidden)
    mark("largest subnormal", magnitude == hidden - 1)
    mark("smallest subnormal", (magnitude == 1) & (magnitude < hidden))
    mark("largest finite", magnitude == fmt.max_code)
    mark("zero", magnitude == 0)
    mark("NaN", magnitude > fmt.max_code)
    if fmt.has_inf:
        mark("Inf", magnitude == fmt.inf_code)
    negative = wide >> (fmt.width_bits - 1)
    if not fmt.has_negative_zero:
        mark("NaN", wide == fmt.nan_code)
        negative &= wide != fmt.nan_code
    return kinds * np.uint8(2) + negative.astype(np.uint8)


def _fixed_kinds(codes: Codes, fmt: FixedPoint) -> Kinds:
    wide = codes.astype(np.int64)
    negative = wide > fmt.max_code
    magnitude = np.abs(wide - (negative.astype(np.int64) << fmt.width_bits))
    kinds = np.full(wide.shape, _FIXED.index("other"), dtype=np.uint8)

    def mark(label: str, where: npt.NDArray[np.bool_]) -> None:
        kinds[where] = _FIXED.index(label)

    mark("power of two", (magnitude & (magnitude - 1)) == 0)
    mark("one", magnitude == 1 << fmt.frac_bits)
    mark("one unit", magnitude == 1)
    mark("largest", magnitude == fmt.max_code)
    mark("lowest", magnitude == fmt.max_code + 1)
    mark("zero", magnitude == 0)
    return kinds * np.uint8(2) + negative.astype(np.uint8)


def probe_codes(fmt: Scalar) -> Codes:
    """Return codes among which every kind of a wide format appears."""
    powers = np.int64(1) << np.arange(fmt.width_bits, dtype=np.int64)
    codes = [powers - 1, powers, powers + 1, np.array([0, fmt.max_code, fmt.max_code + 1])]
    if isinstance(fmt, Minifloat):
        fields = np.arange(1 << fmt.exp_bits, dtype=np.int64) << fmt.man_bits
        codes += [fields, fields + 1, fields + (1 << fmt.man_bits) - 1]
    probe = np.concatenate(codes) & ((1 << fmt.width_bits) - 1)
    sign = 1 << (fmt.width_bits - 1)
    negated = probe | sign if isinstance(fmt, Minifloat) else -probe & ((1 << fmt.width_bits) - 1)
    return np.unique(np.concatenate([probe, negated]))


@cache
def scale_partition(mx: Mx) -> Partition:
    """Return the kinds of scale codes: smallest, one, largest, NaN (where there is one), other."""
    top = mx.max_scale_exp + mx.scale_bias
    special = {0: "smallest", mx.scale_bias: "2^0", top: "largest"}
    if mx.scale_nan_code is not None:
        special[mx.scale_nan_code] = "NaN"
    return _coded(special, 1 << mx.scale_bits)


@cache
def flag_partition() -> Partition:
    """Return the kinds of a flag: clear and set."""
    return _coded({0: "clear", 1: "set"}, 2)


@cache
def byte_partition() -> Partition:
    """Return the kinds of a byte of packed blocks: no bit set, all, some."""
    return _coded({0: "zero", 255: "all ones"}, 256)


def _coded(special: dict[int, str], count: int) -> Partition:
    """Return the kinds of codes of which a few have names."""
    names = [*special.values(), *(["other"] if count > len(special) else [])]
    table = np.full(count, len(names) - 1, dtype=np.uint8)
    for kind, code in enumerate(special):
        table[code] = kind
    return Partition(names=tuple(names), classify=lambda codes: table[codes])


BLOCK_KINDS = (
    "all zero",
    "one nonzero",
    "all nonzero",
    "special inside",
    "largest is a power of two",
    "largest is the format's",
)


def block_features(fmt: Scalar, lanes: int) -> tuple[str, ...]:
    """Return the features that a row of `lanes` codes can have; a row has none or several."""
    has = {name.lstrip("+-") for name in scalar_partition(fmt).names}
    missing = set() if has & {"Inf", "NaN"} else {"special inside"}
    return tuple(name for name in BLOCK_KINDS if name not in missing)


def feature_counts(codes: Codes, fmt: Scalar) -> npt.NDArray[np.int64]:
    """Return how many rows of `codes` (n, lanes) have each of `block_features`."""
    names = scalar_partition(fmt).names
    kinds = scalar_partition(fmt).classify(codes)
    labels = [name.lstrip("+-") for name in names]

    def among(*wanted: str) -> npt.NDArray[np.bool_]:
        return np.array([label in wanted for label in labels])[kinds]

    zero, special = among("zero"), among("Inf", "NaN")
    nonzeros = (~zero).sum(axis=1)
    amax = np.where(special, 0, magnitudes(codes, fmt)).max(axis=1)
    units = amax if isinstance(fmt, FixedPoint) else amax & ((1 << fmt.man_bits) - 1)
    power = (units & (units - 1) == 0) if isinstance(fmt, FixedPoint) else units == 0
    rows = {
        "all zero": nonzeros == 0,
        "one nonzero": nonzeros == 1,
        "all nonzero": nonzeros == codes.shape[1],
        "special inside": special.any(axis=1),
        "largest is a power of two": power & (amax > 0),
        "largest is the format's": amax == fmt.max_code,
    }
    return np.array([int(rows[name].sum()) for name in block_features(fmt, codes.shape[1])])


def magnitudes(codes: Codes, fmt: Scalar) -> npt.NDArray[np.int64]:
    """Return codes without their sign: without the sign bit, or the absolute value."""
    wide = codes.astype(np.int64)
    if isinstance(fmt, Minifloat):
        return wide & (fmt.sign_mask - 1)
    signed: npt.NDArray[np.int64] = wide - (
        (wide > fmt.max_code).astype(np.int64) << fmt.width_bits
    )
    return np.abs(signed)
