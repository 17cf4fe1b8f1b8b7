"""A machine as plain fields, for config.json, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from enum import Enum
from typing import Any

from plena_cosim.golden import FixedPoint, FormatError, HardwareConfig, Minifloat, Scalar

_KINDS: dict[str, type[Minifloat] | type[FixedPoint]] = {
    "minifloat": Minifloat,
    "fixed_point": FixedPoint,
}


def machine_to_fields(machine: HardwareConfig) -> dict[str, Any]:
    """Return what makes a machine; a format is a dict of its own fields and a `kind`."""
    given = {field.name: getattr(machine, field.name) for field in fields(machine) if field.compare}
    return {
        key: _format_to_fields(value) if isinstance(value, (Minifloat, FixedPoint)) else value
        for key, value in given.items()
    }


def machine_from_fields(given: Any) -> HardwareConfig:
    """Return the machine of `machine_to_fields`; FormatError where it is none."""
    try:
        plain: dict[str, Any] = {
            key: _format_from_fields(value) if isinstance(value, dict) else value
            for key, value in given.items()
        }
        return HardwareConfig(**plain)
    except (AttributeError, KeyError, TypeError) as error:
        raise FormatError(f"not the fields of a machine: {error!r} in {given!r}") from None


def _format_to_fields(fmt: Scalar) -> dict[str, Any]:
    kind = next(name for name, cls in _KINDS.items() if isinstance(fmt, cls))
    plain = {
        key: value.value if isinstance(value, Enum) else value for key, value in asdict(fmt).items()
    }
    return {"kind": kind, **plain}


def _format_from_fields(given: dict[str, Any]) -> Scalar:
    rest = dict(given)
    return _KINDS[rest.pop("kind")](**rest)
