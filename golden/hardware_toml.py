"""Reads plena_settings.toml, the settings of PLENA's own simulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formats import FormatError
from .hardware_settings import SIZES, Settings, minifloat_of

SECTIONS = ("TRANSACTIONAL", "ANALYTIC")
"""Of a file; the first one that is there is read."""

_UNITS = {"VECTOR_SRAM_TYPE": "vector_format", "SCALAR_FP": "reduction_format"}
_OPERANDS = {
    "HBM_M_WEIGHT_TYPE": "weights",
    "HBM_M_KV_TYPE": "keys and values, as tiles",
    "HBM_V_ACT_TYPE": "activations",
    "HBM_V_KV_TYPE": "keys and values, as vectors",
    "HBM_V_INT_TYPE": "integers",
    "MATRIX_SRAM_TYPE": "tiles on chip",
}


def is_settings(tables: Mapping[str, Any]) -> bool:
    """Say whether the tables of a TOML file are those of plena_settings.toml."""
    return any(section in tables for section in SECTIONS)


def read_settings(tables: Mapping[str, Any], *, source: str) -> Settings:
    """Return what such a file says.

    Args:
        tables: of the file.
        source: the file, for messages.

    Raises:
        FormatError: a size or a width is none; the message names file and key.
    """
    settings = Settings(source=source)
    chosen = next(section for section in SECTIONS if section in tables)
    for name in tables:
        if name != chosen:
            settings.leave(f"[{name}]", "…", f"not read; sizes and formats are those of {chosen}")
    for name, table in _table(tables[chosen], f"{source} [{chosen}]").items():
        where = f"{chosen}.{name}"
        if name == "CONFIG":
            for key, given in _table(table, f"{source} [{where}]").items():
                value = given.get("value") if isinstance(given, Mapping) else given
                if key in SIZES:
                    settings.size(key, value)
                else:
                    settings.leave(f"{where}.{key}", value, "no size of a unit here")
        elif name == "PRECISION":
            for key, given in _table(table, f"{source} [{where}]").items():
                _precision(settings, key, given, f"{where}.{key}")
        elif name == "LATENCY":
            settings.leave(where, f"{len(table)} entries", "cycles of PLENA's simulator, no bits")
        else:
            settings.leave(where, "…", "unknown here")
    return settings


def _precision(settings: Settings, key: str, given: Any, where: str) -> None:
    shown = _type_words(given)
    if key in _OPERANDS:
        settings.leave(where, shown, f"the format of {_OPERANDS[key]}: a recipe gives it")
        return
    if key not in _UNITS:
        settings.leave(where, shown, "unknown here")
        return
    data = given.get("DATA_TYPE", given.get("ELEM", given)) if isinstance(given, Mapping) else {}
    if not isinstance(data, Mapping) or data.get("type") != "Fp" or given.get("format") == "Mx":
        settings.leave(where, shown, "units compute in a plain floating-point format here")
        return
    fmt = minifloat_of(
        data.get("exponent"), data.get("mantissa"), where=f"{settings.source}: {where}"
    )
    settings.fields[_UNITS[key]] = (fmt, where)


def _type_words(given: Any) -> str:
    if not isinstance(given, Mapping):
        return str(given)
    data = given.get("ELEM", given.get("DATA_TYPE", given))
    data = data if isinstance(data, Mapping) else {}
    name = (
        f"e{data.get('exponent')}m{data.get('mantissa')}"
        if data.get("type") == "Fp"
        else f"int{data.get('width')}"
    )
    return f"Mx {name}, blocks of {given.get('block')}" if given.get("format") == "Mx" else name


def _table(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise FormatError(f"{where} must be a table, got {given!r}")
    return given
