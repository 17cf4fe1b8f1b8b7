"""The format of one role (weight, data_in, bias) from the keys of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from plena_cosim.golden import FormatError, Minifloat, Mx, Rounding, Specials, mxfp, mxint
from plena_cosim.golden.formats import MINIFLOATS, as_enum

from .formats import CastFormat, Format

ROLES = ("weight", "data_in", "bias")
"""The operands of a module."""

ALL_ROLES = ("weight", "data_in", "data_out", "bias")
"""The operands, and the result, which only `name = "spec"` quantises."""

SHAPE_KEYS = {
    "mxint": ("block_size", "width"),
    "mxfp": ("block_size", "exponent_width", "frac_width"),
    "minifloat": ("exponent_width", "frac_width"),
}
"""The keys that make a format, by family; in a table each has its role before it."""

BLOCK_KEYS = ("scale_rule", "symmetric")
"""The keys, each with its role before it, that only block formats have."""

ROUND_MODES = {
    "rn": Rounding.RNE,
    "rd": Rounding.RDOWN,
    "ru": Rounding.RUP,
    "rz": Rounding.RTZ,
}
"""The reference's names of rounding modes."""


@dataclass(frozen=True, kw_only=True)
class FormatDefaults:
    """What all formats of a recipe have in common, from [numerics].

    Attributes:
        fields: fields of Mx that are given; golden's defaults hold for the others.
        rounding: of scalar formats.
    """

    fields: Mapping[str, Any]
    rounding: Rounding


def shared_numerics(fields: Mapping[str, Any]) -> FormatDefaults:
    """Return what formats share; FormatError where golden does not know a field's value."""
    mxint(8, **fields)  # complains here, once, and not about the first selector
    rounding = as_enum(Rounding, fields.get("rounding", Rounding.RNE), "rounding mode")
    return FormatDefaults(fields=fields, rounding=rounding)


def role_of(key: str) -> str | None:
    """Return the role that a key is about, such as "weight" of `weight_width`."""
    return next((role for role in ROLES if key.startswith(f"{role}_")), None)


def shape_keys(role: str, keys: Iterable[str], family: str | None = None) -> list[str]:
    """Return those keys that shape the format of a role: of one family, or of any.

    Args:
        role: such as "weight".
        keys: of a table.
        family: "mxint", "mxfp" or "minifloat"; None: any of them.
    """
    families = SHAPE_KEYS.values() if family is None else [SHAPE_KEYS[family]]
    known = {f"{role}_{key}" for family_keys in families for key in family_keys}
    return [key for key in keys if key in known]


def family_of(role: str, keys: Iterable[str]) -> str:
    """Return the family that the keys of a role belong to."""
    given = set(keys)
    if f"{role}_width" in given:
        return "mxint"
    return "mxfp" if f"{role}_block_size" in given else "minifloat"


def role_format(
    role: str, values: Mapping[str, Any], family: str, shared: FormatDefaults
) -> Format | None:
    """Return the format of one role; None where it has no keys or is bypassed.

    Args:
        role: such as "weight".
        values: the keys of a table with what they say.
        family: "mxint", "mxfp" or "minifloat".
        shared: what all formats of the recipe have in common.

    Raises:
        FormatError: a key is missing, belongs to another family, or is out of range.
    """
    wanted = [f"{role}_{key}" for key in SHAPE_KEYS[family]]
    mine = [key for key in values if role_of(key) == role and key != f"{role}_bypass"]
    given = shape_keys(role, mine)
    if foreign := [key for key in given if key not in wanted]:
        raise FormatError(
            f"{', '.join(foreign)} does not belong to {family}, which takes {', '.join(wanted)}"
        )
    if not mine:
        return None
    if missing := [key for key in wanted if key not in given]:
        raise FormatError(f"{', '.join(mine)} given without {', '.join(missing)}")
    make = _scalar if family == "minifloat" else _blocks
    numbers = {key: values[f"{role}_{key}"] for key in SHAPE_KEYS[family]}
    mode = values.get(f"{role}_round_mode")
    blocks = {key: values[name] for key in BLOCK_KEYS if (name := f"{role}_{key}") in values}
    if blocks and family == "minifloat":
        raise FormatError(f"{role}_{next(iter(blocks))} is for block formats only")
    if "symmetric" in blocks and family == "mxfp":
        raise FormatError(f"{role}_symmetric is for MXINT only; the codes of MXFP are symmetric")
    shared = replace(shared, fields={**shared.fields, **blocks})
    fmt = make(
        numbers,
        finite=values.get(f"{role}_is_finite", True),
        rounding=None if mode is None else _round_mode(role, mode),
        shared=shared,
    )
    return None if values.get(f"{role}_bypass") else fmt


def _round_mode(role: str, mode: str) -> Rounding:
    if mode not in ROUND_MODES:
        known = ", ".join(ROUND_MODES)
        raise FormatError(f"{role}_round_mode = {mode!r} is unknown; known: {known}")
    return ROUND_MODES[mode]


def _scalar(
    numbers: Mapping[str, int], *, finite: bool, rounding: Rounding | None, shared: FormatDefaults
) -> CastFormat:
    fmt = Minifloat(
        exp_bits=numbers["exponent_width"],
        man_bits=numbers["frac_width"],
        specials=Specials.NONE if finite else Specials.IEEE,
    )
    fmt = next((named for named in MINIFLOATS.values() if named == fmt), fmt)
    rounding = rounding or shared.rounding
    if rounding is Rounding.STOCHASTIC:
        raise FormatError(
            "stochastic rounding is for block formats only; give this scalar format a round_mode "
            f"of {', '.join(ROUND_MODES)}"
        )
    return CastFormat(fmt=fmt, rounding=rounding)


def _blocks(
    numbers: Mapping[str, int], *, finite: bool, rounding: Rounding | None, shared: FormatDefaults
) -> Mx:
    if not finite:
        raise FormatError("is_finite = false is for scalar formats only; MX elements are OCP's")
    fields = {**shared.fields, "block_size": numbers["block_size"]}
    if rounding is not None:
        fields["rounding"] = rounding
    if "width" in numbers:
        return mxint(numbers["width"], **fields)
    return mxfp(numbers["exponent_width"], numbers["frac_width"], **fields)
