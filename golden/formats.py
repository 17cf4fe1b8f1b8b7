"""Number formats as data: what a code means, and nothing about how to compute with it.

Every fact about a format (bias, largest value, NaN code, width) is derived here from a handful of
integers. Nothing else in the project types such a number.

Sources: IEEE 754-2019 for the `ieee` kind, OCP 8-bit Floating Point Specification v1.0 for E4M3 and
E5M2, Noune et al., "8-bit numerical formats for deep neural networks", 2022, for the `fnuz` kind,
OCP Microscaling Formats (MX) v1.0 for the block formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from math import ldexp
from numbers import Integral
from typing import Any, TypeVar

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.errors import PlenaError


class FormatError(PlenaError, ValueError):
    """A format, or data for a format, that cannot be; the message says what is allowed."""


class Specials(Enum):
    """Which codes of a minifloat are not finite numbers."""

    IEEE = "ieee"
    """The all-ones exponent is Inf (fraction 0) or NaN: bf16, fp16, fp32, E5M2."""
    OCP_NAN = "ocp_nan"
    """Only S.1…1.1…1 is NaN and there is no Inf: E4M3."""
    NONE = "none"
    """Every code is a finite number: E2M1, E2M3, E3M2, E6M5 …"""
    FNUZ = "fnuz"
    """The code of -0 is NaN; there is no Inf and no -0: E4M3FNUZ, E5M2FNUZ, E4M3B11FNUZ."""


class Rounding(Enum):
    """How an exact real becomes a code."""

    RNE = "rne"
    """To nearest, ties to the even code."""
    RNA = "rna"
    """To nearest, ties away from zero."""
    RTZ = "rtz"
    """Toward zero."""
    RUP = "rup"
    """Toward +infinity."""
    RDOWN = "rdown"
    """Toward -infinity."""
    STOCHASTIC = "stochastic"
    """Away from zero with the probability of the discarded fraction; seeded, see `rounding.py`."""


class Overflow(Enum):
    """What a finite result beyond the largest finite value becomes."""

    SATURATE = "saturate"
    """The largest finite value (the default on every MX and PLENA path)."""
    IEEE = "ieee"
    """Inf, or NaN where the format has no Inf; directed rounding modes as IEEE 754 §7.4."""


class ScaleRule(Enum):
    """How a block's scale exponent follows from amax, its largest magnitude."""

    FLOOR = "floor"
    """floor(log2 amax) - e_max; OCP MX v1.0 §6.3."""
    CEIL = "ceil"
    """ceil(log2 amax) - e_max."""
    EVEN = "even"
    """As `floor`, with amax first rounded half up to the fraction bits of an MXFP element, or to W
    in MXINT(W) (AMD Quark)."""
    RCEIL = "rceil"
    """ceil(log2(amax / largest element)): the smallest scale that never clips (NVIDIA)."""
    MASE = "mase"
    """MXINT: the LSB is 2^(ceil(log2 amax) - (W-1)); MXFP: as `floor` (Mase, PLENA software)."""
    CLIP = "clip"
    """As `floor`, but one less where amax < (1 + CLIP_BELOW) * 2^floor(log2 amax): the largest are
    clipped, and the steps of all others halved. For 4-bit integers; wide elements lose by it."""


CLIP_BELOW = 3 / 16
"""Fraction of amax from which `clip` keeps the scale of `floor`; measured, see docs/numerics.md."""


_E = TypeVar("_E", bound=Enum)


def as_enum(kind: type[_E], given: _E | str, what: str) -> _E:
    """Return the member of `kind` that `given` is or names.

    Args:
        kind: an enum with strings for values.
        given: a member, or the value of one.
        what: what is chosen, for the message.

    Raises:
        FormatError: `given` is no value of `kind`; the message lists what is.
    """
    if isinstance(given, kind):
        return given
    known = [str(member.value) for member in kind]
    if given not in known:
        raise FormatError(
            f"unknown {what} {given!r}; known: {', '.join(known)}{did_you_mean(str(given), known)}"
        )
    return kind(given)


def _require_int(owner: str, key: str, given: Any, low: int, high: int) -> int:
    """Return an integer of any type, NumPy's too, as an int."""
    whole = isinstance(given, Integral) and given is not True and given is not False
    if not (whole and low <= int(given) <= high):
        raise FormatError(f"{owner}: {key} must be an integer in {low}..{high}, got {given!r}")
    return int(given)


def _set_int(spec: object, label: str, key: str, low: int, high: int) -> None:
    """Check a field of a frozen spec and make it an int: NumPy's own may overflow later."""
    object.__setattr__(spec, key, _require_int(label, key, getattr(spec, key), low, high))


def _require_bool(owner: str, key: str, given: object) -> None:
    if not isinstance(given, bool):
        raise FormatError(f"{owner}: {key} must be true or false, got {given!r}")


@dataclass(frozen=True, kw_only=True)
class Minifloat:
    """A binary floating-point format: sign | exponent | fraction, with subnormals.

    Args:
        exp_bits: exponent width in bits, 1..8.
        man_bits: fraction width in bits, 0..23.
        specials: which codes are Inf or NaN; every code is finite by default.
        bias: exponent bias, -256..512; when None 2^(exp_bits-1) - 1, one more for `fnuz`.
        name: label for messages; two specs that differ only in name are equal.

    Raises:
        FormatError: a width out of range, or specials that leave no finite normal number.

    >>> e4m3 = Minifloat(exp_bits=4, man_bits=3, specials="ocp_nan")
    >>> e4m3.max_value, hex(e4m3.nan_code), e4m3.width_bits
    (448.0, '0x7f', 8)
    """

    exp_bits: int
    man_bits: int
    specials: Specials | str = Specials.NONE
    bias: int | None = None
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "Minifloat"
        _set_int(self, label, "exp_bits", 1, 8)
        _set_int(self, label, "man_bits", 0, 23)
        object.__setattr__(self, "specials", as_enum(Specials, self.specials, "specials"))
        if self.bias is None:
            object.__setattr__(self, "bias", self._usual_bias)
        _set_int(self, label, "bias", -256, 512)  # products stay within float64
        if self.specials is Specials.IEEE and (self.exp_bits < 2 or self.man_bits < 1):
            raise FormatError(f"{label}: specials 'ieee' needs exp_bits >= 2 and man_bits >= 1")
        if self.specials is Specials.OCP_NAN and self.man_bits < 1:
            raise FormatError(f"{label}: specials 'ocp_nan' needs man_bits >= 1")
        if not self.name:
            object.__setattr__(self, "name", f"e{self.exp_bits}m{self.man_bits}{self._suffix}")

    @property
    def _usual_bias(self) -> int:
        return (1 << (self.exp_bits - 1)) - (0 if self.specials is Specials.FNUZ else 1)

    @property
    def _suffix(self) -> str:
        """What the name of a format says besides its widths, where it says it."""
        if self.specials is not Specials.FNUZ:
            return ""
        return "fnuz" if self.bias == self._usual_bias else f"b{self.bias}fnuz"

    @property
    def width_bits(self) -> int:
        """Width of a code, sign included."""
        return 1 + self.exp_bits + self.man_bits

    @property
    def bias_value(self) -> int:
        """The bias as an int (the field is None only before construction has finished)."""
        assert self.bias is not None
        return self.bias

    @property
    def precision(self) -> int:
        """Significand width in bits, the hidden bit included."""
        return self.man_bits + 1

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal number, and of every subnormal's binade."""
        return 1 - self.bias_value

    @property
    def lsb_exp(self) -> int:
        """Exponent of the smallest subnormal: every finite value is a multiple of 2^lsb_exp."""
        return self.emin - self.man_bits

    @property
    def max_code(self) -> int:
        """Code of the largest finite value (sign bit clear)."""
        all_ones = (1 << (self.width_bits - 1)) - 1
        if self.specials is Specials.IEEE:
            return all_ones - (1 << self.man_bits)
        return all_ones - (1 if self.specials is Specials.OCP_NAN else 0)

    @property
    def emax(self) -> int:
        """Exponent of the largest binade that holds a finite number (e_max of OCP MX)."""
        exp_field = self.max_code >> self.man_bits
        return max(exp_field, 1) - self.bias_value

    @property
    def max_value(self) -> float:
        """Largest finite value."""
        fraction = self.max_code & ((1 << self.man_bits) - 1)
        hidden = 1 << self.man_bits if self.max_code >> self.man_bits else 0
        return ldexp(hidden + fraction, self.emax - self.man_bits)

    @property
    def min_normal(self) -> float:
        """Smallest positive normal value."""
        return ldexp(1.0, self.emin)

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        return ldexp(1.0, self.lsb_exp)

    @property
    def has_inf(self) -> bool:
        """Whether the format has codes for +Inf and -Inf."""
        return self.specials is Specials.IEEE

    @property
    def has_nan(self) -> bool:
        """Whether the format has a NaN code."""
        return self.specials is not Specials.NONE

    @property
    def has_negative_zero(self) -> bool:
        """Whether the format has a code for -0 beside that of +0."""
        return self.specials is not Specials.FNUZ

    @property
    def inf_code(self) -> int:
        """Code of +Inf; FormatError where there is none."""
        if not self.has_inf:
            raise FormatError(f"{self.name} has no Inf")
        return ((1 << self.exp_bits) - 1) << self.man_bits

    @property
    def nan_code(self) -> int:
        """The one canonical quiet NaN; FormatError where there is none.

        Its sign bit is clear, but in the `fnuz` kind NaN is the sign bit alone.
        """
        if self.specials is Specials.IEEE:
            return self.inf_code | 1 << (self.man_bits - 1)
        if self.has_nan:
            return self.max_code + 1
        raise FormatError(f"{self.name} has no NaN")

    @property
    def sign_mask(self) -> int:
        """The sign bit of a code."""
        return 1 << (self.width_bits - 1)

    def sv_parameters(self, prefix: str = "") -> dict[str, int]:
        """Return the SystemVerilog parameter that builds this format in gates, see `sv_fmt`.

        >>> get_format("bf16").sv_parameters("Acc")
        {'AccFmt': 65144}
        """
        return {f"{prefix}Fmt": sv_fmt(self)}


@dataclass(frozen=True, kw_only=True)
class FixedPoint:
    """A two's complement fixed-point format q{int_bits}.{frac_bits}; the sign is in int_bits.

    Args:
        int_bits: bits left of the binary point, sign included, 1..32.
        frac_bits: bits right of it, 0..31; a code has int_bits + frac_bits <= 32 bits.
        wrap: overflow drops the high bits (two's complement wrap) instead of saturating.
        symmetric: the most negative code is never produced, so that Q(-x) = -Q(x).
        name: label for messages.

    >>> FixedPoint(int_bits=2, frac_bits=6).max_value          # the element of MXINT8
    1.984375
    """

    int_bits: int
    frac_bits: int
    wrap: bool = False
    symmetric: bool = False
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "FixedPoint"
        _set_int(self, label, "int_bits", 1, 32)
        _set_int(self, label, "frac_bits", 0, 31)
        _require_int(label, "int_bits + frac_bits", self.int_bits + self.frac_bits, 2, 32)
        _require_bool(label, "wrap", self.wrap)
        _require_bool(label, "symmetric", self.symmetric)
        if self.wrap and self.symmetric:
            raise FormatError(f"{label}: wrap and symmetric exclude each other")
        if not self.name:
            object.__setattr__(self, "name", f"q{self.int_bits}.{self.frac_bits}")

    @property
    def width_bits(self) -> int:
        """Width of a code."""
        return self.int_bits + self.frac_bits

    @property
    def max_code(self) -> int:
        """Code of the largest value."""
        return (1 << (self.width_bits - 1)) - 1

    @property
    def lsb_exp(self) -> int:
        """Exponent of one unit in the last place."""
        return -self.frac_bits

    @property
    def emax(self) -> int:
        """Exponent of the largest binade (e_max of OCP MX; 0 for an MXINT element)."""
        return self.int_bits - 2

    @property
    def max_value(self) -> float:
        """Largest value."""
        return ldexp(self.max_code, self.lsb_exp)

    @property
    def man_bits(self) -> int:
        """Fraction bits below the leading bit of the largest binade."""
        return self.width_bits - 2

    @property
    def has_nan(self) -> bool:
        """Whether the format has a NaN code: never."""
        return False

    @property
    def has_negative_zero(self) -> bool:
        """Whether the format has a code for -0: never."""
        return False

    def sv_parameters(self, prefix: str = "") -> dict[str, int]:
        """Return the SystemVerilog parameter that builds this format in gates, see `sv_fmt`."""
        return {f"{prefix}Fmt": sv_fmt(self)}


Scalar = Minifloat | FixedPoint
"""A format whose code stands for one number by itself."""


@dataclass(frozen=True, kw_only=True)
class Mx:
    """A microscaling block format: elements that share one power-of-two scale per block.

    Args:
        element: what one element's code means before scaling. MXINT(W) is q2.(W-2).
        block_size: elements per block, 1..4096.
        scale_bits: width S of the scale code, 2..8. Its value is 2^(code - (2^(S-1) - 1)); for
            S = 8 (E8M0) code 255 is NaN, narrower scales have no NaN.
        scale_rule: how the scale follows from the block's largest magnitude.
        symmetric: MXINT only: the code -2^(W-1) is never produced.
        rounding: how elements are rounded.
        name: label for messages.

    >>> get_format("mxint8").element.max_value
    1.984375
    """

    element: Scalar
    block_size: int = 32
    scale_bits: int = 8
    scale_rule: ScaleRule | str = ScaleRule.FLOOR
    symmetric: bool = True
    rounding: Rounding | str = Rounding.RNE
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "Mx"
        if not isinstance(self.element, (Minifloat, FixedPoint)):
            raise FormatError(
                f"{label}: element must be a Minifloat or FixedPoint, got {self.element!r}"
            )
        if isinstance(self.element, FixedPoint):
            if self.element.int_bits != 2 or not 2 <= self.element.width_bits <= 16:
                raise FormatError(
                    f"{label}: an MXINT element is q2.0 … q2.14 (2 to 16 bits), "
                    f"got {self.element.name}"
                )
            if self.element.wrap:
                raise FormatError(f"{label}: an MXINT element saturates; wrap must be false")
        elif self.element.exp_bits > 5 or self.element.man_bits > 10:
            raise FormatError(
                f"{label}: an MXFP element has 1..5 exponent and 0..10 fraction bits, "
                f"got {self.element.name}"
            )
        _set_int(self, label, "block_size", 1, 4096)
        _set_int(self, label, "scale_bits", 2, 8)
        object.__setattr__(self, "scale_rule", as_enum(ScaleRule, self.scale_rule, "scale rule"))
        object.__setattr__(self, "rounding", as_enum(Rounding, self.rounding, "rounding mode"))
        _require_bool(label, "symmetric", self.symmetric)
        if isinstance(self.element, FixedPoint):
            element = replace(self.element, symmetric=self.symmetric, name=self.element.name)
            object.__setattr__(self, "element", element)
        if not self.name:
            object.__setattr__(self, "name", _mx_name(self.element))

    @property
    def scale_bias(self) -> int:
        """Scale code of 2^0, and minus the smallest scale exponent."""
        return (1 << (self.scale_bits - 1)) - 1

    @property
    def scale_nan_code(self) -> int | None:
        """The scale code that makes a whole block NaN; None for scales narrower than 8 bits."""
        return 255 if self.scale_bits == 8 else None

    @property
    def max_scale_exp(self) -> int:
        """Largest scale exponent."""
        max_code = (1 << self.scale_bits) - (2 if self.scale_nan_code is not None else 1)
        return max_code - self.scale_bias

    @property
    def min_scale_exp(self) -> int:
        """Smallest scale exponent (scale code 0)."""
        return -self.scale_bias

    @property
    def even_bits(self) -> int:
        """Fraction bits that the rule `even` rounds amax to: an MXFP element's, W for MXINT(W)."""
        element = self.element
        return element.man_bits if isinstance(element, Minifloat) else element.width_bits

    @property
    def bits_per_value(self) -> float:
        """Storage cost of one value, its share of the scale included."""
        return self.element.width_bits + self.scale_bits / self.block_size

    def sv_parameters(self, prefix: str = "") -> dict[str, int]:
        """Return the SystemVerilog parameter that builds this format in gates, see `sv_mx`."""
        return {f"{prefix}Mx": sv_mx(self)}


AnyFormat = Minifloat | FixedPoint | Mx


def sv_rounding(rounding: Rounding | str) -> int:
    """Return the value of the SystemVerilog parameter `Rounding`; gates have no stochastic mode."""
    mode = as_enum(Rounding, rounding, "rounding mode")
    if mode is Rounding.STOCHASTIC:
        raise FormatError(
            "stochastic rounding is not available in RTL; use rne, rna, rtz, rup or rdown"
        )
    return list(Rounding).index(mode)


def sv_fmt(fmt: Scalar) -> int:
    """Return the value of the SystemVerilog parameter `Fmt` of a scalar format.

    From bit 0: exponent bits (4; 0 says fixed point), fraction bits (5), bias (11, two's
    complement), specials (2, in the order of `Specials`), bits left of the point (6, the sign
    included), wrap (1), symmetric (1). The bias is 0 for fixed point, the last three are for a
    minifloat, so that a format has one number. `plena_pkg::fmt_of` takes it apart.

    >>> hex(sv_fmt(get_format("e4m3"))), hex(sv_fmt(get_format("q8.4", wrap=True)))
    ('0x100e34', '0x12200040')
    """
    if isinstance(fmt, FixedPoint):
        none = list(Specials).index(Specials.NONE)
        flags = ((int(fmt.wrap), 1), (int(fmt.symmetric), 1))
        return _packed((0, 4), (fmt.frac_bits, 5), (0, 11), (none, 2), (fmt.int_bits, 6), *flags)
    specials = list(Specials).index(as_enum(Specials, fmt.specials, "specials"))
    return _packed((fmt.exp_bits, 4), (fmt.man_bits, 5), (fmt.bias_value, 11), (specials, 2))


def sv_mx(mx: Mx, *, log2_shared: int = 0, micro_bits: int = 0) -> int:
    """Return the value of the SystemVerilog parameter `Mx` of a block format, up to 64 bits.

    From bit 0: the element (22, as the low bits of its `Fmt`), elements of a block (13), scale bits
    (4), fraction bits of the scale (3), scale rule (4, in the order of `ScaleRule`), symmetric (1,
    0 unless MXINT), rounding (3), log2 of the elements that share a micro-exponent (4), bits of a
    micro-exponent (2). The fraction is 0: no format has one yet. `plena_pkg::mx_of` takes it apart.

    Args:
        mx: the format.
        log2_shared, micro_bits: of its micro-exponents, where it has some (`blocks.MicroMx`).

    Raises:
        FormatError: stochastic rounding, which gates do not have.

    >>> hex(sv_mx(get_format("mxfp4_e2m1"))), hex(sv_mx(get_format("mxint8", scale_rule="even")))
    ('0x4008200212', '0x484008200060')
    """
    element = sv_fmt(mx.element) & ((1 << 22) - 1)
    rule = list(ScaleRule).index(as_enum(ScaleRule, mx.scale_rule, "scale rule"))
    symmetric = isinstance(mx.element, FixedPoint) and mx.symmetric
    return _packed(
        *((element, 22), (mx.block_size, 13), (mx.scale_bits, 4), (0, 3), (rule, 4)),
        *((int(symmetric), 1), (sv_rounding(mx.rounding), 3)),
        *((log2_shared, 4), (micro_bits, 2)),
    )


def _packed(*fields: tuple[int, int]) -> int:
    """Return values, each with its width in bits, in one number, the first at the bottom."""
    word = at = 0
    for value, width in fields:
        word |= (value & ((1 << width) - 1)) << at
        at += width
    return word


def _mx_name(element: Scalar) -> str:
    if isinstance(element, FixedPoint):
        return f"mxint{element.width_bits}"
    suffix = element._suffix
    return f"mxfp{element.width_bits}_e{element.exp_bits}m{element.man_bits}{suffix}"


def _minifloat(
    exp_bits: int, man_bits: int, specials: Specials, name: str = "", bias: int | None = None
) -> Minifloat:
    return Minifloat(exp_bits=exp_bits, man_bits=man_bits, specials=specials, bias=bias, name=name)


MINIFLOATS: dict[str, Minifloat] = {
    spec.name: spec
    for spec in (
        _minifloat(1, 2, Specials.NONE),
        _minifloat(2, 1, Specials.NONE),
        _minifloat(2, 3, Specials.NONE),
        _minifloat(3, 2, Specials.NONE),
        _minifloat(3, 4, Specials.NONE),
        _minifloat(4, 3, Specials.OCP_NAN),
        _minifloat(5, 2, Specials.IEEE),
        _minifloat(4, 3, Specials.FNUZ),
        _minifloat(5, 2, Specials.FNUZ),
        _minifloat(4, 3, Specials.FNUZ, bias=11),
        _minifloat(6, 5, Specials.NONE),
        _minifloat(5, 6, Specials.NONE),
        _minifloat(4, 7, Specials.NONE),
        _minifloat(5, 10, Specials.IEEE, "fp16"),
        _minifloat(8, 7, Specials.IEEE, "bf16"),
        _minifloat(8, 23, Specials.IEEE, "fp32"),
    )
}
"""The named scalar formats, smallest use first; E6M5 is PLENA's "FP12"."""


def mxint(width_bits: int, **fields: Any) -> Mx:
    """Return MXINT of `width_bits` (2..16) bits; `fields` are those of `Mx`."""
    _require_int("mxint", "width", width_bits, 2, 16)
    return Mx(element=FixedPoint(int_bits=2, frac_bits=width_bits - 2), **fields)


def mxfp(exp_bits: int, man_bits: int, **fields: Any) -> Mx:
    """Return MXFP with elements of 1..5 exponent and 0..10 fraction bits.

    Args:
        exp_bits, man_bits: the element's widths; those of E4M3 and E5M2 have the specials that OCP
            gives them, all others are finite throughout.
        **fields: those of `Mx`, e.g. `block_size=16`.

    Returns:
        Mx.

    Raises:
        FormatError: a width or a field out of range.
    """
    _require_int("mxfp", "exponent width", exp_bits, 1, 5)
    _require_int("mxfp", "fraction width", man_bits, 0, 10)
    named = MINIFLOATS.get(f"e{exp_bits}m{man_bits}")
    return Mx(element=named or Minifloat(exp_bits=exp_bits, man_bits=man_bits), **fields)


OCP_MX_NAMES = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4_e2m1", "mxint8")
"""The six concrete formats of OCP MX v1.0, table 1."""

FORMATS: dict[str, AnyFormat] = {
    **MINIFLOATS,
    **{f"mxint{width}": mxint(width) for width in range(2, 17)},
    **{
        spec.name: spec
        for spec in (
            mxfp(m.exp_bits, m.man_bits)
            for m in MINIFLOATS.values()
            if m.exp_bits <= 5 and m.name == f"e{m.exp_bits}m{m.man_bits}"
        )
    },
}
"""Every named format. `get_format` also understands any other width by its name's numbers."""

_ALIASES = {"fp12": "e6m5"}


def _parse(name: str) -> AnyFormat | None:
    if match := re.fullmatch(r"mxint(\d+)", name):
        return mxint(int(match[1]))
    if match := re.fullmatch(r"mxfp(\d+)_(e(\d+)m(\d+)(.*fnuz)?)", name):
        width, exp_bits, man_bits = int(match[1]), int(match[3]), int(match[4])
        if width != 1 + exp_bits + man_bits:
            raise FormatError(f"{name}: {match[2]} has {1 + exp_bits + man_bits} bits")
        return Mx(element=get_format(match[2])) if match[5] else mxfp(exp_bits, man_bits)
    if match := re.fullmatch(r"e(\d+)m(\d+)", name):
        return Minifloat(exp_bits=int(match[1]), man_bits=int(match[2]))
    if match := re.fullmatch(r"e(\d+)m(\d+)(?:b(-?\d+))?fnuz", name):
        exp_bits, man_bits = int(match[1]), int(match[2])
        return _minifloat(
            exp_bits, man_bits, Specials.FNUZ, bias=int(match[3]) if match[3] else None
        )
    if match := re.fullmatch(r"q(\d+)\.(\d+)", name):
        return FixedPoint(int_bits=int(match[1]), frac_bits=int(match[2]))
    return None


def get_format(name: str, **overrides: Any) -> Any:
    """Return the format called `name`, with some fields replaced.

    Args:
        name: a registered name (`e4m3`, `bf16`, `mxint4`, `mxfp4_e2m1` …) or one made of numbers:
            `e{E}m{M}`, `q{I}.{F}`, `mxint{W}`, `mxfp{1+E+M}_e{E}m{M}`; `fnuz` or `b{bias}fnuz`
            after `m{M}` gives a minifloat these specials, as in `e4m3fnuz`, `e4m3b11fnuz`.
        **overrides: fields of the spec, e.g. `block_size=16, scale_rule="even"` for an Mx format.

    Returns:
        Minifloat, FixedPoint or Mx.

    Raises:
        FormatError: an unknown name, field or value; the message names the nearest known one.

    >>> get_format("mxint4", block_size=16, scale_rule="even").bits_per_value
    4.5
    """
    lowered = str(name).lower()
    lowered = _ALIASES.get(lowered, lowered)
    spec = FORMATS.get(lowered) or _parse(lowered)
    if spec is None:
        known = [*FORMATS, *_ALIASES]
        raise FormatError(
            f"unknown format {name!r}; known: {', '.join(known)}, and e{{E}}m{{M}}, "
            f"e{{E}}m{{M}}fnuz, q{{I}}.{{F}}, mxint{{W}}, mxfp{{W}}_e{{E}}m{{M}} with other numbers"
            f"{did_you_mean(lowered, known)}"
        )
    fields = [key for key in spec.__dataclass_fields__ if key not in ("name", "element")]
    for key in overrides:
        if key not in fields:
            raise FormatError(
                f"{spec.name} has no field {key!r}; known: {', '.join(fields)}"
                f"{did_you_mean(key, fields)}"
            )
    return replace(spec, **overrides) if overrides else spec


def as_minifloat(given: Minifloat | str) -> Minifloat:
    """Return the Minifloat that `given` is or names; FormatError for any other.

    >>> as_minifloat("bf16").width_bits
    16
    """
    spec = as_format(given)
    if not isinstance(spec, Minifloat):
        raise FormatError(f"need a Minifloat such as bf16, got {spec!r}")
    return spec


def as_scalar(given: Scalar | str) -> Scalar:
    """Return the Minifloat or FixedPoint that `given` is or names; FormatError for any other."""
    spec = as_format(given)
    if not isinstance(spec, (Minifloat, FixedPoint)):
        raise FormatError(f"need a Minifloat or FixedPoint such as bf16, got {spec!r}")
    return spec


def as_mx(given: Mx | str) -> Mx:
    """Return the Mx format that `given` is or names; FormatError for any other."""
    spec = as_format(given)
    if not isinstance(spec, Mx):
        raise FormatError(f"need an Mx format such as get_format('mxint8'), got {spec!r}")
    return spec


def as_format(given: Any) -> Any:
    """Return the format of a name, and what is no name as it is."""
    return get_format(given) if isinstance(given, str) else given
