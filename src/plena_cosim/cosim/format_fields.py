"""Formats as plain fields for a JSON file, and back."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from plena_cosim.golden import FixedPoint, Minifloat, Mx

from .errors import CosimError

_KINDS: dict[str, Any] = {"minifloat": Minifloat, "fixed_point": FixedPoint, "mx": Mx}


def to_fields(value: Any) -> Any:
    """Return a format as a dict of its fields and a `kind`; other values as they are."""
    for kind, cls in _KINDS.items():
        if isinstance(value, cls):
            given = {each.name: to_fields(getattr(value, each.name)) for each in fields(cls)}
            return {"kind": kind, **given}
    return value.value if isinstance(value, Enum) else value


def from_fields(given: Any) -> Any:
    """Return the value of `to_fields`.

    Raises:
        CosimError: these are not the fields of a format.
    """
    if not isinstance(given, dict):
        return given
    rest = {key: from_fields(value) for key, value in given.items()}
    try:
        return _KINDS[rest.pop("kind")](**rest)
    except (KeyError, TypeError, ValueError) as error:
        raise CosimError(f"not the fields of a format: {given!r} ({error})") from None
