"""Reads plena_settings.toml, the settings of PLENA's own simulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formats import FormatError
from .hardware_settings import Settings, minifloat_of, mx_table
from .timing import LATENCIES

SECTIONS = ("TRANSACTIONAL", "ANALYTIC")
"""Of a file; the first one that is there is read."""

_UNITS = {"VECTOR_SRAM_TYPE": "vector_format", "SCALAR_FP": "reduction_format"}
_TYPES = {"HBM_M_WEIGHT_TYPE": "weight", "HBM_V_ACT_TYPE": "activation", "HBM_M_KV_TYPE": "kv"}
_ELSEWHERE = {
    "HBM_V_KV_TYPE": "keys and values have one type here, that of HBM_M_KV_TYPE",
    "HBM_V_INT_TYPE": "integers are never in HBM here",
    "MATRIX_SRAM_TYPE": "tiles keep the codes of their type here",
}
_NO_SCALES = "scales are powers of two of 8 bits here"


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
            given = _table(table, f"{source} [{where}]")
            values = {
                key: each.get("value") if isinstance(each, Mapping) else each
                for key, each in given.items()
            }
            settings.sizes(values, prefix=f"{where}.")
        elif name == "PRECISION":
            types = _table(table, f"{source} [{where}]")
            for key, given in types.items():
                _precision(settings, key, given, f"{where}.{key}")
            _same_cache(settings, types, where)
        elif name == "LATENCY":
            for key, given in _table(table, f"{source} [{where}]").items():
                _latency(settings, key, given, f"{where}.{key}")
        else:
            settings.leave(where, "…", "unknown here")
    return settings


def _precision(settings: Settings, key: str, given: Any, where: str) -> None:
    shown = _type_words(given)
    if key in _TYPES:
        _type(settings, _TYPES[key], given, where)
        return
    if key in _ELSEWHERE:
        if key != "HBM_V_KV_TYPE":
            settings.leave(where, shown, _ELSEWHERE[key])
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


def _type(settings: Settings, role: str, given: Any, where: str) -> None:
    """Take the type of operands in HBM."""
    at = f"{settings.source}: {where}"
    if isinstance(given, Mapping) and given.get("format") == "Mx":
        element, scale = given.get("ELEM"), given.get("SCALE")
        table = mx_table(element, scale, given.get("block"), where=at)
        if table is None:
            settings.leave(where, _type_words(given), _NO_SCALES)
        else:
            settings.programs["types", role] = (table, where)
        return
    data = given.get("DATA_TYPE", given) if isinstance(given, Mapping) else {}
    if not isinstance(data, Mapping) or data.get("type") != "Fp":
        settings.leave(where, _type_words(given), "types of HBM are MX or floating-point here")
        return
    fmt = minifloat_of(data.get("exponent"), data.get("mantissa"), where=at)
    settings.programs["types", role] = (fmt.name, where)


def _same_cache(settings: Settings, types: Mapping[str, Any], where: str) -> None:
    """Leave the type of keys and values as vectors where it is not that of their tiles."""
    key = "HBM_V_KV_TYPE"
    if key in types and types[key] != types.get("HBM_M_KV_TYPE"):
        settings.leave(f"{where}.{key}", _type_words(types[key]), _ELSEWHERE[key])


def _latency(settings: Settings, key: str, given: Any, where: str) -> None:
    name = key.removesuffix("_CYCLES").lower()
    pair = (
        [given.get("dc_lib_en"), given.get("dc_lib_dis")] if isinstance(given, Mapping) else [given]
    )
    shown = ", ".join(map(str, pair))
    if name not in LATENCIES:
        settings.leave(where, shown, "no instruction here is charged it")
    elif any(type(cycles) is not int or cycles < 0 for cycles in pair) or len(pair) != 2:
        raise FormatError(
            f"{settings.source}: {where} needs dc_lib_en and dc_lib_dis, cycles; got {given!r}"
        )
    else:
        settings.programs["latency", name] = (pair, where)


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
