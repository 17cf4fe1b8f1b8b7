"""Reading a quantisation recipe: a TOML file becomes selectors with formats, or one clear error."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError, HardwareConfig, Mx

from .nearest import did_you_mean
from .tables import LINEAR_TABLES, ROLES, HardwareTable, NumericsTable, read_table

_NOT_YET = ("gptq", "rotation_search")


class MatchBy(Enum):
    """What the selectors of a recipe are compared with."""

    REGEX_NAME = "regex_name"
    """The whole name of a module, by regular expression."""
    NAME = "name"
    """The name of a module, literally."""
    TYPE = "type"
    """The class name of a module; case does not matter (`linear`)."""


@dataclass(frozen=True, kw_only=True)
class LinearFormats:
    """Formats of a linear layer; None leaves a role as it is.

    Attributes:
        weight, data_in: blocks run along the contraction axis.
        bias: blocks run along its only axis.
    """

    weight: Mx | None = None
    data_in: Mx | None = None
    bias: Mx | None = None


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One table of a recipe.

    Attributes:
        key: the text that chooses modules.
        formats: what they become.
        bypass: the modules stay as they are, whatever later selectors say.
    """

    key: str
    formats: LinearFormats
    bypass: bool = False


@dataclass(frozen=True, kw_only=True)
class PassArgs:
    """A recipe, checked.

    Attributes:
        by: how selectors match.
        selectors: in the order of the file; the first that matches a module decides.
        hardware: the machine named in [hardware], if any.
        source: where the recipe comes from, for messages.
        sha256: of the file's bytes; empty for a recipe that was not read from a file.
        tables: what was parsed, in the order of the file; for saving.
    """

    by: MatchBy
    selectors: tuple[Selector, ...]
    hardware: HardwareConfig | None = None
    source: str = "quantisation recipe"
    sha256: str = ""
    tables: dict[str, Any] = field(default_factory=dict, compare=False)


def load_quant_config(path: str | Path) -> PassArgs:
    """Read a quantisation recipe.

    Args:
        path: a TOML file: `by`, one table a selector, optionally [numerics] (scale_rule, rounding,
            symmetric, scale_bits: shared by all formats) and [hardware] (config: a file of
            configs/hw, relative to the recipe).

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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"quantisation recipe {path} is not valid TOML: {error}") from None
    digest = hashlib.sha256(raw).hexdigest()
    return read_quant_config(tables, source=str(path), folder=path.parent, sha256=digest)


def read_quant_config(
    tables: dict[str, Any],
    *,
    source: str = "quantisation recipe",
    folder: Path | None = None,
    sha256: str = "",
) -> PassArgs:
    """Check a recipe that is already parsed; see `load_quant_config`."""
    given, tables = tables, dict(tables)
    by = _match_by(tables.pop("by", None), source)
    numerics = read_table(NumericsTable, tables.pop("numerics", {}), f"{source} [numerics]")
    hardware = None
    if "hardware" in tables:
        named = read_table(HardwareTable, tables.pop("hardware"), f"{source} [hardware]")
        hardware = HardwareConfig.load((folder or Path()) / named.config)
    for key in _NOT_YET:
        if key in tables:
            raise FormatError(f"{source}: the table [{key}] is not supported yet; remove it")
    selectors = tuple(_selector(key, given, by, numerics, source) for key, given in tables.items())
    if not selectors:
        raise FormatError(f"{source}: no selector; give one table for each group of modules")
    return PassArgs(
        by=by,
        selectors=selectors,
        hardware=hardware,
        source=source,
        sha256=sha256,
        tables=dict(given),
    )


def _match_by(given: Any, source: str) -> MatchBy:
    known = [member.value for member in MatchBy]
    if given is None:
        raise FormatError(f"{source}: key 'by' is missing; allowed: {', '.join(known)}")
    if given not in known:
        raise FormatError(
            f"{source}: by = {given!r} is unknown; allowed: {', '.join(known)}"
            f"{did_you_mean(str(given), known)}"
        )
    return MatchBy(given)


def _selector(key: str, given: Any, by: MatchBy, numerics: NumericsTable, source: str) -> Selector:
    where = f"{source} [{key}]"
    if not isinstance(given, dict):
        known = ["by", "numerics", "hardware"]
        raise FormatError(
            f"{source}: unknown key {key!r} at top level; known: {', '.join(known)}, "
            f"and one table a selector{did_you_mean(key, known)}"
        )
    if by is MatchBy.REGEX_NAME:
        try:
            re.compile(key)
        except re.error as error:
            raise FormatError(f"{where}: not a regular expression: {error}") from None
    name = given.get("name")
    if name is None:
        raise FormatError(f"{where}: key 'name' is missing; known: {', '.join(LINEAR_TABLES)}")
    if name not in LINEAR_TABLES:
        raise FormatError(
            f"{where}: unknown format {name!r}; known: {', '.join(LINEAR_TABLES)}"
            f"{did_you_mean(str(name), LINEAR_TABLES)}"
        )
    table = read_table(LINEAR_TABLES[name], given, where)
    formats: dict[str, Mx | None] = {}
    for role in ROLES:
        try:
            formats[role] = table.element(role, **numerics.fields())
        except FormatError as error:
            raise FormatError(f"{where}: {role}: {error}") from None
    if not table.bypass and not any(formats.values()):
        raise FormatError(
            f"{where}: quantises nothing; give weight_, data_in_ or bias_ keys, or bypass = true"
        )
    return Selector(key=key, formats=LinearFormats(**formats), bypass=table.bypass)
