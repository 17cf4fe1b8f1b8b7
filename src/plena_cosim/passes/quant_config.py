"""Reading a quantisation recipe: a TOML file becomes selectors with formats, or one clear error."""

from __future__ import annotations

import copy
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError, HardwareConfig, Mx

from .calibration_tables import (
    GptqTable,
    RotationSearchTable,
    inherit_from_gptq,
    require_same_weight,
)
from .nearest import did_you_mean
from .read_table import read_table
from .role_format import Shared, family_of, role_format, shared_numerics
from .selector import Selector, read_selector
from .tables import DefaultsTable, HardwareTable, NumericsTable, PhaseTable, RecipeFile

_RESERVED = tuple(RecipeFile.model_fields)


class MatchBy(Enum):
    """What the selectors of a recipe are compared with."""

    REGEX_NAME = "regex_name"
    """The whole name of a module, by regular expression."""
    NAME = "name"
    """The name of a module, literally."""
    TYPE = "type"
    """The class name of a module; case does not matter (`linear`)."""
    GLOB = "glob"
    """The whole name of a module, by pattern: `*` is any text, dots included, `?` a character."""


class Phase(Enum):
    """What a model is doing when it computes."""

    PREFILL = "prefill"
    """Reading a prompt: the cache is empty or more than one token comes at once."""
    DECODE = "decode"
    """Writing: one token at a time after a prompt."""


class KvHandover(Enum):
    """What decoding makes of the keys and values that the prefill has cached."""

    KEEP = "keep"
    """Reads their codes as they were written."""
    REQUANTIZE = "requantize"
    """Quantises them to the format of its own cache, once, when the phase changes."""


@dataclass(frozen=True, kw_only=True)
class PassArgs:
    """A recipe, checked.

    Attributes:
        by: how selectors match.
        selectors: in the order of the file; the first that matches a module decides.
        exclude: patterns of modules that stay as they are, with all inside them.
        phases: selectors that come before `selectors` in one phase.
        kv_handover: what decode makes of the cache of prefill.
        hardware: the machine named in [hardware], if any.
        strict: a NaN or Inf that a format cannot hold is an error.
        gptq, rotation_search: what calibration is to do, if anything.
        source: where the recipe comes from, for messages.
        sha256: of the file's bytes; empty for a recipe that was not read from a file.
        tables: the recipe as parsed from TOML, fit for JSON.
    """

    by: MatchBy
    selectors: tuple[Selector, ...]
    exclude: tuple[str, ...] = ()
    phases: Mapping[Phase, tuple[Selector, ...]] = field(default_factory=dict)
    kv_handover: KvHandover = KvHandover.KEEP
    hardware: HardwareConfig | None = None
    strict: bool = False
    gptq: GptqTable | None = None
    rotation_search: RotationSearchTable | None = None
    source: str = "quantisation recipe"
    sha256: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)


def load_quant_config(path: str | Path) -> PassArgs:
    """Read a quantisation recipe.

    Args:
        path: a TOML file: `by`, one table a selector, and what docs/recipe.md lists besides.

    Returns:
        The recipe as arguments of `quantize_module_transform_pass`.

    Raises:
        FormatError: the file is missing or not TOML, a key is unknown, a value is out of range;
            the message names file, table and key, and the nearest known key.

    >>> load_quant_config("configs/quant/llama_w4a4_mxint.toml").by.value
    'regex_name'
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        tables = tomllib.loads(raw.decode())
    except FileNotFoundError:
        raise FormatError(f"quantisation recipe {path} does not exist") from None
    except OSError as error:
        raise FormatError(f"quantisation recipe {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"quantisation recipe {path} is not valid TOML: {error}") from None
    digest = hashlib.sha256(raw).hexdigest()
    return read_quant_config(tables, source=str(path), folder=path.parent, sha256=digest)


def read_quant_config(
    tables: Mapping[str, Any],
    *,
    source: str = "quantisation recipe",
    folder: Path | None = None,
    sha256: str = "",
) -> PassArgs:
    """Check a recipe that is already parsed; see `load_quant_config`."""
    rest = copy.deepcopy(dict(tables))
    by = _match_by(rest.pop("by", MatchBy.REGEX_NAME.value), source)
    exclude = _patterns(rest.pop("exclude", []), by, source)
    numerics = read_table(NumericsTable, rest.pop("numerics", {}), f"{source} [numerics]")
    try:
        shared = shared_numerics(numerics.fields())
    except FormatError as error:
        raise FormatError(f"{source} [numerics]: {error}") from None
    defaults = read_table(DefaultsTable, rest.pop("defaults", {}), f"{source} [defaults]").given()
    hardware = _hardware(rest.pop("hardware", None), folder or Path(), source)
    gptq = rest.pop("gptq", None)
    if gptq is not None:
        gptq = read_table(GptqTable, gptq, f"{source} [gptq]")
    search = rest.pop("rotation_search", None)
    if search is not None:
        search = read_table(RotationSearchTable, search, f"{source} [rotation_search]")
        search = inherit_from_gptq(search, gptq)
    phase = rest.pop("phase", {})
    groups = {"": rest, **_phase_tables(phase, source)}
    selectors: dict[str, tuple[Selector, ...]] = {}
    unused = set(defaults)
    for group, found in groups.items():
        read = []
        for key, given in found.items():
            where = f"{source} [{group}{key}]"
            _require_selector(key, given, by, source if not group else f"{source} [{group[:-1]}]")
            selector, taken = read_selector(key, given, defaults, shared, where)
            _check_calibrated(selector, gptq, shared, where)
            unused -= taken
            read.append(selector)
        selectors[group] = tuple(read)
    if not any(selectors.values()):
        raise FormatError(f"{source}: no selector; give one table for each group of modules")
    if unused:
        raise FormatError(
            f"{source} [defaults]: no selector takes {', '.join(sorted(unused))}; remove it"
        )
    return PassArgs(
        by=by,
        selectors=selectors[""],
        exclude=exclude,
        phases={kind: selectors.get(f"phase.{kind.value}.", ()) for kind in Phase},
        kv_handover=KvHandover(phase.get("kv_handover", "keep")),
        hardware=hardware,
        strict=numerics.strict,
        gptq=gptq,
        rotation_search=search,
        source=source,
        sha256=sha256,
        tables=copy.deepcopy(dict(tables)),
    )


def _match_by(given: Any, source: str) -> MatchBy:
    known = [member.value for member in MatchBy]
    if given not in known:
        raise FormatError(
            f"{source}: by = {given!r} is unknown; allowed: {', '.join(known)}"
            f"{did_you_mean(str(given), known)}"
        )
    return MatchBy(given)


def _patterns(given: Any, by: MatchBy, source: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(key, str) for key in given):
        raise FormatError(f"{source}: exclude must be a list of texts, got {given!r}")
    for key in given:
        _require_pattern(key, by, f"{source}: exclude {key!r}")
    return tuple(given)


def _require_pattern(key: str, by: MatchBy, where: str) -> None:
    if by is MatchBy.REGEX_NAME:
        try:
            re.compile(key)
        except (re.error, OverflowError, RecursionError) as error:
            raise FormatError(f"{where}: not a regular expression: {error}") from None


def _hardware(given: Any, folder: Path, source: str) -> HardwareConfig | None:
    if given is None:
        return None
    named = read_table(HardwareTable, given, f"{source} [hardware]")
    return HardwareConfig.load(folder / named.config)


def _phase_tables(given: Any, source: str) -> dict[str, dict[str, Any]]:
    where = f"{source} [phase]"
    if not isinstance(given, dict):
        raise FormatError(f"{where}: must be a table, got {given!r}")
    groups: dict[str, dict[str, Any]] = {}
    names = [phase.value for phase in Phase]
    read_table(PhaseTable, {key: {} if key in names else given[key] for key in given}, where)
    for name in names:
        group = given.get(name, {})
        if not isinstance(group, dict):
            raise FormatError(f"{source} [phase.{name}]: must be a table, got {group!r}")
        groups[f"phase.{name}."] = group
    return groups


def _require_selector(key: str, given: Any, by: MatchBy, where: str) -> None:
    if not isinstance(given, dict):
        known = list(_RESERVED)
        raise FormatError(
            f"{where}: unknown key {key!r} at top level; known: {', '.join(known)}, "
            f"and one table a selector{did_you_mean(key, known)}"
        )
    _require_pattern(key, by, f"{where} [{key}]")


def _check_calibrated(
    selector: Selector, gptq: GptqTable | None, shared: Shared, where: str
) -> None:
    if not selector.gptq:
        return
    if gptq is None:
        raise FormatError(f"{where}: gptq = true, but the recipe has no [gptq] table")
    weight = selector.formats.weight
    if isinstance(weight, Mx):
        try:
            require_same_weight(weight, calibrated_format(gptq, shared))
        except FormatError as error:
            raise FormatError(f"{where}: {error}") from None


def calibrated_format(gptq: GptqTable, shared: Shared) -> Mx:
    """Return the weight format of [gptq]; FormatError where its keys are incomplete."""
    keys = gptq.weight_config.given()
    found = role_format("weight", keys, gptq.format, shared)
    assert isinstance(found, Mx)
    return found


__all__ = ["KvHandover", "MatchBy", "PassArgs", "Phase", "Selector", "load_quant_config"]
