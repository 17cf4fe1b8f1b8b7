"""Block formats that an Mx cannot say, as data; what they share with Mx is taken from one.

Sources: Rouhani et al., "With shared microexponents, a little shifting goes a long way", 2023
(arXiv 2302.08007) for MX4, MX6 and MX9; AMD Quark 0.13's behaviour for all others, see
docs/numerics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean

from ..formats import (
    FormatError,
    Minifloat,
    Mx,
    ScaleRule,
    _set_int,
    as_enum,
    as_minifloat,
    get_format,
    mxfp,
    mxint,
    sv_mx,
)

PAIR = 2
"""Elements that share a micro-exponent."""


@dataclass(frozen=True, kw_only=True)
class MicroMx:
    """Integers with a shared exponent a block, and a micro-exponent of one bit a pair.

    A pair whose micro-exponent is set counts in steps of half the size. Without micro-exponents it
    is the MXINT of `mx`: elements are two's complement q2.(element_bits - 2), never the most
    negative code; the exponent is E8M0: code s means 2^(s - 127), 255 is NaN.

    Args:
        element_bits: width of an element, sign included, 2..16.
        block_size: elements that share an exponent, even, 2..4096.
        name: label for messages; two formats that differ only in name are equal.

    Raises:
        FormatError: a number out of range, or an odd block size.

    >>> mx9 = MicroMx(element_bits=8, block_size=16)
    >>> mx9.bits_per_value, mx9.mx.element.name
    (9.0, 'q2.6')
    """

    element_bits: int
    block_size: int = 32
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "MicroMx"
        _set_int(self, label, "element_bits", 2, 16)
        _set_int(self, label, "block_size", 2, 4096)
        if self.block_size % PAIR:
            raise FormatError(f"{label}: block_size must be even, got {self.block_size}")
        if not self.name:
            object.__setattr__(self, "name", f"micro{self.element_bits}")

    @property
    def mx(self) -> Mx:
        """The format without micro-exponents."""
        return mxint(self.element_bits, block_size=self.block_size)

    @property
    def bits_per_value(self) -> float:
        """Storage cost of one value, its shares of micro-exponent and exponent included."""
        return self.mx.bits_per_value + 1 / PAIR

    def sv_parameters(self, prefix: str = "") -> dict[str, int]:
        """Return the SystemVerilog parameter that builds this format in gates, see `sv_mx`.

        >>> {name: hex(word) for name, word in MicroMx(element_bits=8).sv_parameters("A").items()}
        {'AMx': '0x44404008200060'}
        """
        log2_pair = PAIR.bit_length() - 1
        return {f"{prefix}Mx": sv_mx(self.mx, log2_shared=log2_pair, micro_bits=1)}


@dataclass(frozen=True, kw_only=True)
class Bfp:
    """Block floating point whose exponent makes room for what rounds up to the next binade.

    Codes and exponents are those of the MXINT of `mx`, the most negative code included; only the
    choice of the exponent differs.

    Args:
        element_bits: width of an element, two's complement, 2..16.
        block_size: elements that share an exponent, 1..4096.
        name: label for messages; two formats that differ only in name are equal.

    Raises:
        FormatError: a number out of range.

    >>> Bfp().bits_per_value
    9.0
    """

    element_bits: int = 8
    block_size: int = 8
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "Bfp"
        _set_int(self, label, "element_bits", 2, 16)
        _set_int(self, label, "block_size", 1, 4096)
        if not self.name:
            object.__setattr__(self, "name", f"bfp{self.element_bits}")

    @property
    def mx(self) -> Mx:
        """The format of its codes."""
        return mxint(self.element_bits, block_size=self.block_size, symmetric=False)

    @property
    def bits_per_value(self) -> float:
        """Storage cost of one value, its share of the exponent included."""
        return self.mx.bits_per_value


@dataclass(frozen=True, kw_only=True)
class LeastSquaresMx:
    """MXFP4 with the better of two scales, by the sum of squared errors over the block.

    Args:
        block_size: elements that share a scale, 1..1024 (so that sums of squares fit 64 bits).
        name: label for messages; two formats that differ only in name are equal.

    Raises:
        FormatError: a number out of range.

    >>> LeastSquaresMx().mx.name
    'mxfp4_e2m1'
    """

    block_size: int = 32
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "LeastSquaresMx"
        _set_int(self, label, "block_size", 1, 1024)
        if not self.name:
            object.__setattr__(self, "name", "mxfp4_diffs")

    @property
    def mx(self) -> Mx:
        """The format of its codes; the rule is that of the larger scale."""
        return mxfp(2, 1, block_size=self.block_size, scale_rule=ScaleRule.CEIL)

    @property
    def bits_per_value(self) -> float:
        """Storage cost of one value, its share of the scale included."""
        return self.mx.bits_per_value


class ScaleForm(Enum):
    """How the two levels of scale follow from the largest magnitudes; all steps in fp32."""

    GROUP = "group"
    """t = S (E / tensor amax), scale = RN((group amax / E) t) / t."""
    TWO_STAGE = "two_stage"
    """t = tensor amax / (E S), scale = RN((group amax / E) / t) t."""


@dataclass(frozen=True, kw_only=True)
class TwoLevel:
    """E2M1 elements in groups with an E4M3 scale, and one fp32 scale for the whole tensor.

    Args:
        form: how both scales are computed. With E and S for the largest element and the largest
            group scale, see `ScaleForm`.
        block_size: elements that share an E4M3 scale, 1..4096.
        name: label for messages; two formats that differ only in name are equal.

    Raises:
        FormatError: a number out of range or an unknown form.

    >>> TwoLevel().bits_per_value
    4.5
    """

    form: ScaleForm | str = ScaleForm.GROUP
    block_size: int = 16
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        label = self.name or "TwoLevel"
        object.__setattr__(self, "form", as_enum(ScaleForm, self.form, "scale form"))
        _set_int(self, label, "block_size", 1, 4096)
        if not self.name:
            object.__setattr__(self, "name", "nvfp4")

    @property
    def element(self) -> Minifloat:
        """Format of the elements."""
        return as_minifloat("e2m1")

    @property
    def scale(self) -> Minifloat:
        """Format of the groups' scales."""
        return as_minifloat("e4m3")

    @property
    def bits_per_value(self) -> float:
        """Storage cost of one value, its share of the group's scale included."""
        return self.element.width_bits + self.scale.width_bits / self.block_size


BlockFormat = MicroMx | Bfp | LeastSquaresMx | TwoLevel
"""A format that `golden.blocks.quantize` takes."""

BLOCK_FORMATS: dict[str, BlockFormat] = {
    fmt.name: fmt
    for fmt in (
        MicroMx(element_bits=3, name="mx4"),
        MicroMx(element_bits=5, name="mx6"),
        MicroMx(element_bits=8, name="mx9"),
        Bfp(name="bfp16"),
        LeastSquaresMx(name="mxfp4_diffs"),
        TwoLevel(name="nvfp4"),
        TwoLevel(form=ScaleForm.TWO_STAGE, name="nvfp4_two_stage"),
    )
}
"""Every named block format."""


def get_block_format(name: str, **overrides: Any) -> BlockFormat:
    """Return the block format called `name`, with some fields replaced.

    Args:
        name: one of BLOCK_FORMATS, in any case.
        **overrides: fields of the format, e.g. `block_size=16`.

    Returns:
        MicroMx, Bfp, LeastSquaresMx or TwoLevel.

    Raises:
        FormatError: an unknown name, field or value; the message names the nearest known one.

    >>> get_block_format("mx9", block_size=16).bits_per_value
    9.0
    """
    fmt = BLOCK_FORMATS.get(str(name).lower())
    if fmt is None:
        raise FormatError(
            f"unknown block format {name!r}; known: {', '.join(BLOCK_FORMATS)} (those of "
            f"get_format, such as mxint8, go to golden.quantize)"
            f"{did_you_mean(str(name).lower(), BLOCK_FORMATS)}"
        )
    fields = [key for key in fmt.__dataclass_fields__ if key != "name"]
    for key in overrides:
        if key not in fields:
            raise FormatError(
                f"{fmt.name} has no field {key!r}; known: {', '.join(fields)}"
                f"{did_you_mean(key, fields)}"
            )
    return replace(fmt, **overrides) if overrides else fmt


def as_named(given: Any) -> Any:
    """Return the format, of any kind, that a name means where a block format is wanted.

    What is no name is returned as it is; FormatError for a name of none.
    """
    if not isinstance(given, str):
        return given
    if given.lower() in BLOCK_FORMATS:
        return get_block_format(given)
    try:
        return get_format(given)
    except FormatError:
        return get_block_format(given)  # which says what names there are


def as_micro_mx(given: MicroMx | str) -> MicroMx:
    """Return the format with micro-exponents that `given` is or names; FormatError for others."""
    fmt = as_named(given)
    if not isinstance(fmt, MicroMx):
        raise FormatError(
            f"need a format with micro-exponents such as get_block_format('mx9'), got {fmt!r}"
        )
    return fmt


def as_block_format(given: BlockFormat | str) -> BlockFormat:
    """Return the block format that `given` is or names; FormatError for any other."""
    fmt = get_block_format(given) if isinstance(given, str) else given
    if not isinstance(fmt, BlockFormat):
        raise FormatError(f"need a block format such as get_block_format('mx9'), got {fmt!r}")
    return fmt
