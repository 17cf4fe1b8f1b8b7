"""The format of one role (weight, data_in, bias) from the keys of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plena_cosim.golden import (
    FormatError,
    Minifloat,
    Mx,
    Rounding,
    Specials,
    mxfp,
    mxint,
)
from plena_cosim.golden.formats import MINIFLOATS, as_enum

from .module_formats import CastFormat, Format

ROLES = ("weight", "data_in", "bias")

SHAPE_KEYS = {
    "mxint": ("block_size", "width"),
    "mxfp": ("block_size", "exponent_width", "frac_width"),
    "minifloat": ("exponent_width", "frac_width"),
}
"""The keys that make a format, by family; each is written with its role before it."""

ROUND_MODES = {
    "rn": Rounding.RNE,
    "rd": Rounding.RDOWN,
    "ru": Rounding.RUP,
    "rz": Rounding.RTZ,
}
"""The reference's names of rounding modes."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all formats of a recipe have in common, from [numerics].

    Attributes:
        fields: fields of Mx that are given; golden's defaults hold for the others.
        rounding: of scalar formats.
    """

    fields: Mapping[str, Any]
    rounding: Rounding = Rounding.RNE


def keys_of(role: str, values: Iterable[str]) -> list[str]:
    """Return the keys of `values` that say something about the format of `role`."""
    known = {f"{role}_{key}" for keys in SHAPE_KEYS.values() for key in keys}
    return [key for key in values if key in known]


def family_of(role: str, values: Iterable[str]) -> str:
    """Return the family that the keys of a role belong to."""
    given = set(values)
    if f"{role}_width" in given:
        return "mxint"
    return "mxfp" if f"{role}_block_size" in given else "minifloat"


def role_format(role: str, values: Mapping[str, Any], family: str, shared: Shared) -> Format | None:
    """Return the format of one role; None where it has no keys or is bypassed.

    Raises:
        FormatError: a key is missing, belongs to another family, or is out of range.
    """
    given = keys_of(role, values)
    wanted = [f"{role}_{key}" for key in SHAPE_KEYS[family]]
    if not given:
        return None
    if foreign := [key for key in given if key not in wanted]:
        raise FormatError(
            f"{', '.join(foreign)} cannot stand beside {', '.join(set_order(given, foreign))}: "
            f"{family} takes {', '.join(wanted)}"
        )
    if missing := [key for key in wanted if key not in given]:
        raise FormatError(f"{', '.join(given)} given without {', '.join(missing)}")
    numbers = {key: values[f"{role}_{key}"] for key in SHAPE_KEYS[family]}
    mode = values.get(f"{role}_round_mode")
    rounding = None if mode is None else ROUND_MODES[mode]
    finite = values.get(f"{role}_is_finite", True)
    if family == "minifloat":
        fmt: Format = CastFormat(
            fmt=_minifloat(**numbers, finite=finite), rounding=rounding or shared.rounding
        )
    else:
        fmt = _mx(numbers, shared, rounding)
    return None if values.get(f"{role}_bypass") else fmt


def set_order(given: list[str], without: list[str]) -> list[str]:
    """Return `given` without some of its members."""
    return [key for key in given if key not in without]


def _minifloat(*, exponent_width: int, frac_width: int, finite: bool) -> Minifloat:
    specials = Specials.NONE if finite else Specials.IEEE
    fmt = Minifloat(exp_bits=exponent_width, man_bits=frac_width, specials=specials)
    return next((named for named in MINIFLOATS.values() if named == fmt), fmt)


def _mx(numbers: Mapping[str, int], shared: Shared, rounding: Rounding | None) -> Mx:
    fields = {**shared.fields, "block_size": numbers["block_size"]}
    if rounding is not None:
        fields["rounding"] = rounding
    if "width" in numbers:
        return mxint(numbers["width"], **fields)
    return mxfp(numbers["exponent_width"], numbers["frac_width"], **fields)


def shared_numerics(given: Mapping[str, Any]) -> Shared:
    """Return [numerics] for the formats; FormatError where a field is unknown to golden."""
    fields = dict(given)
    mxint(8, **fields)  # complains here, once, and not about the first selector
    rounding = as_enum(Rounding, fields.get("rounding", Rounding.RNE), "rounding mode")
    return Shared(fields=fields, rounding=rounding)
