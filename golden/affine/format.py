"""Affine formats as data: what a code of a group means, and how its scale is made.

`AffineInt` is an integer with a scale and perhaps a zero point, `ScaledFp` a minifloat with a
scale. Which values share them is not the format's concern: see `granularity.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from plena_cosim.golden.formats import (
    FormatError,
    Minifloat,
    Rounding,
    ScaleRule,
    _require_bool,
    _set_int,
    as_enum,
    as_minifloat,
)


class ZeroPoint(Enum):
    """Which integer, or real number, stands for zero."""

    NONE = "none"
    """Zero does: the format is symmetric."""
    INT32 = "int32"
    """An integer within the range of codes."""
    FLOAT32 = "float32"
    """Any fp32 number, so that the smallest value is code 0."""


class ScaleFormat(Enum):
    """What a scale is rounded to."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    E8M0 = "e8m0"
    """A power of two, by a `ScaleRule`."""
    POW2 = "pow2"
    """The power of two whose exponent is nearest: 2^round(log2 scale)."""
    E4M3 = "e4m3"
    """E4M3 relative to the largest scale of the tensor (NVFP4)."""


class Quotient(Enum):
    """How a value is divided by its scale."""

    DIVIDE = "divide"
    """RN32(x / scale)."""
    RECIPROCAL = "reciprocal"
    """RN32(x * RN32(1 / scale)): what torch's fake quantisation, torchao and AMD Quark compute."""


_INT_SCALES = (
    ScaleFormat.FP32,
    ScaleFormat.FP16,
    ScaleFormat.BF16,
    ScaleFormat.E8M0,
    ScaleFormat.POW2,
)
_FP_SCALES = (ScaleFormat.FP32, ScaleFormat.E8M0, ScaleFormat.E4M3)
_SCALE_RULES = (ScaleRule.FLOOR, ScaleRule.CEIL, ScaleRule.EVEN)
_ROUNDINGS = (Rounding.RNE, Rounding.RNA, Rounding.RDOWN)


@dataclass(frozen=True, kw_only=True)
class AffineInt:
    """An integer with a scale, and perhaps a zero point: value = (code - zero point) * scale.

    Args:
        bits: width of a code, 2..8.
        signed: codes are -2^(bits-1) … 2^(bits-1)-1, else 0 … 2^bits-1.
        symmetric_codes: the code -2^(bits-1) is not used, so that Q(-x) = -Q(x) where rounding is
            symmetric; signed integers without a zero point only.
        zero_point: none (symmetric), an integer or a real number.
        scale: fp32, fp16, bf16, e8m0 or pow2. With e8m0 the scale is 2^(e - (bits-2)), e the
            exponent that `scale_rule` gives amax: codes are then MXINT elements q2.(bits-2).
        scale_rule: floor, ceil or even, where amax first has `bits` fraction bits, as in MXINT.
            Only e8m0 reads it.
        rounding: rne, rna or rdown.
        quotient: how a value is divided by its scale. e8m0 and pow2 always divide: it is exact.
        name: label for messages; two formats that differ only in name are equal.

    Raises:
        FormatError: a field out of range, e8m0 or symmetric codes with a zero point, or pow2 with
            one in float32.

    >>> int4 = AffineInt(bits=4)
    >>> int4.name, int4.lowest, int4.highest, int4.half_range
    ('int4', -8, 7, 7.5)
    >>> AffineInt(bits=8, symmetric_codes=True).half_range
    127.0
    """

    bits: int
    signed: bool = True
    symmetric_codes: bool = False
    zero_point: ZeroPoint | str = ZeroPoint.NONE
    scale: ScaleFormat | str = ScaleFormat.FP32
    scale_rule: ScaleRule | str = ScaleRule.EVEN
    rounding: Rounding | str = Rounding.RNE
    quotient: Quotient | str = Quotient.DIVIDE
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "AffineInt"
        _set_int(self, label, "bits", 2, 8)
        _require_bool(label, "signed", self.signed)
        _require_bool(label, "symmetric_codes", self.symmetric_codes)
        object.__setattr__(self, "zero_point", as_enum(ZeroPoint, self.zero_point, "zero point"))
        object.__setattr__(self, "quotient", as_enum(Quotient, self.quotient, "quotient"))
        _set_choice(self, label, "scale", ScaleFormat, _INT_SCALES)
        _set_choice(self, label, "scale_rule", ScaleRule, _SCALE_RULES)
        _set_choice(self, label, "rounding", Rounding, _ROUNDINGS)
        if self.scale is ScaleFormat.E8M0 and self.zero_point is not ZeroPoint.NONE:
            raise FormatError(
                f"{label}: a scale in e8m0 goes with zero_point 'none', "
                f"got {ZeroPoint(self.zero_point).value!r}; take fp32, fp16 or bf16"
            )
        if self.scale is ScaleFormat.POW2 and self.zero_point is ZeroPoint.FLOAT32:
            raise FormatError(
                f"{label}: a scale in pow2 goes with zero_point 'none' or 'int32', got 'float32'; "
                "take fp32, fp16 or bf16"
            )
        if self.symmetric_codes and not (self.signed and self.zero_point is ZeroPoint.NONE):
            raise FormatError(
                f"{label}: symmetric_codes goes with signed integers and zero_point 'none', got "
                f"signed={self.signed} and {ZeroPoint(self.zero_point).value!r}"
            )
        if not self.name:
            object.__setattr__(self, "name", f"{'' if self.signed else 'u'}int{self.bits}")

    @property
    def lowest(self) -> int:
        """Smallest code."""
        return int(self.symmetric_codes) - (1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """Largest code."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def half_range(self) -> float:
        """Half the distance between the extreme codes: amax / scale of a symmetric format."""
        return (self.highest - self.lowest) / 2

    @property
    def lsb_exp(self) -> int:
        """Exponent of a code's unit in units of a scale in e8m0."""
        return 2 - self.bits


@dataclass(frozen=True, kw_only=True)
class ScaledFp:
    """A minifloat with a scale: value = element * scale.

    Args:
        element: a Minifloat of up to 8 bits, with 1..5 exponent bits and a bias of 0..32, or its
            name. It is rounded to nearest even and saturates; none is made Inf.
        scale: fp32, e8m0 or e4m3.
        scale_rule: floor, ceil or even, where amax first has the element's fraction bits. Only e8m0
            reads it.
        name: label for messages; two formats that differ only in name are equal.

    Raises:
        FormatError: a field out of range.

    >>> ScaledFp(element="e4m3").element.max_value
    448.0
    """

    element: Minifloat | str
    scale: ScaleFormat | str = ScaleFormat.FP32
    scale_rule: ScaleRule | str = ScaleRule.EVEN
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "ScaledFp"
        element = as_minifloat(self.element)
        object.__setattr__(self, "element", element)
        if element.width_bits > 8 or element.exp_bits > 5 or not 0 <= element.bias_value <= 32:
            raise FormatError(
                f"{label}: an element has up to 8 bits, 1..5 exponent bits and a bias of 0..32, "
                f"such as e4m3, e5m2, e2m3, e3m2, e2m1; got {element.name} "
                f"(bias {element.bias_value})"
            )
        _set_choice(self, label, "scale", ScaleFormat, _FP_SCALES)
        _set_choice(self, label, "scale_rule", ScaleRule, _SCALE_RULES)
        if not self.name:
            scale = ScaleFormat(self.scale).value
            object.__setattr__(self, "name", f"{element.name} with scales in {scale}")

    @property
    def minifloat(self) -> Minifloat:
        """The element, which is a name only before construction has finished."""
        assert isinstance(self.element, Minifloat)
        return self.element


AffineFormat = AffineInt | ScaledFp
"""A format whose codes have a scale that is no part of it."""


def as_affine(given: Any) -> AffineFormat:
    """Return `given`; FormatError unless it is an AffineInt or a ScaledFp."""
    if not isinstance(given, (AffineInt, ScaledFp)):
        raise FormatError(
            f"need an AffineInt or a ScaledFp such as AffineInt(bits=8), got {given!r}"
        )
    return given


def _set_choice(
    spec: object, label: str, key: str, kind: type[Enum], allowed: tuple[Enum, ...]
) -> None:
    """Make a field of a frozen spec a member of `kind`, and one of those that are allowed."""
    given = as_enum(kind, getattr(spec, key), key.replace("_", " "))
    if given not in allowed:
        known = ", ".join(str(member.value) for member in allowed)
        raise FormatError(f"{label}: {key} must be one of {known}; got {given.value!r}")
    object.__setattr__(spec, key, given)
