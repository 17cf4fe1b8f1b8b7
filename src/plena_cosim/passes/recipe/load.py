"""Reading a quantisation recipe: a file becomes selectors with formats, or one clear error."""

from __future__ import annotations

import copy
import hashlib
import logging
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError, HardwareConfig, Mx
from plena_cosim.golden.hardware import own_tables
from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.shipped import shipped

from .calibrated_format import calibrated_format, require_calibrated
from .calibration_notes import calibration_notes
from .calibration_tables import GptqTable, RotationSearchTable, inherit_from_gptq
from .distill_table import read_distill
from .file_tables import HardwareTable, NumericsTable, PhaseTable, RecipeFile
from .ranges_table import RangesTable
from .read_table import read_table
from .recipe import KvHandover, MatchBy, Phase, Recipe
from .role_format import FormatDefaults, shared_numerics
from .rotation_table import RotationTable
from .scaling_table import ScalingTable, complete_scaling
from .selector import Selector
from .selector_from_table import read_selector
from .selector_tables import SELECTOR_TABLES, DefaultsTable
from .spec_format import SpecFormat
from .token_collector_table import TokenCollectorTable

_LOG = logging.getLogger(__name__)
SELECTOR_KEYS = frozenset(key for kind in SELECTOR_TABLES.values() for key in kind.model_fields)
"""All that may stand in a selector's table."""

YAML = (".yaml", ".yml")
"""Endings of experiment files."""
JSON = ".json"
"""Ending of a configuration of AMD Quark."""


def load_quant_config(path: str | Path) -> Recipe:
    """Read a quantisation recipe.

    Args:
        path: a TOML file: `by`, one table a selector, and what docs/recipe.md lists besides; also
            the bare name of one that comes with the package. A .yaml or .yml file is an experiment
            file of NVIDIA TAO (docs/tao.md), a .json file a configuration of AMD Quark
            (docs/quark.md).

    Returns:
        The recipe as arguments of `quantize_module_transform_pass`; what its notes say is logged.

    Raises:
        FormatError: the file is missing or not TOML, a key is unknown, a value is out of range;
            the message names file, table and key, and the nearest known key.

    >>> load_quant_config("configs/quant/llama_w4a4_mxint.toml").by.value
    'regex_name'
    """
    recipe = read_recipe_file(path)
    for note in recipe.notes:
        _LOG.warning("%s", note)
    return recipe


def read_recipe_file(path: str | Path) -> Recipe:
    """Read a recipe as `load_quant_config` does, and leave its notes to the caller.

    Args:
        path: a TOML file, a YAML file of TAO, or a JSON file of AMD Quark.

    Raises:
        FormatError: as `load_quant_config`.
    """
    path = shipped(Path(path))
    if path.suffix.lower() in YAML:
        return _of_experiment(path)
    if path.suffix.lower() == JSON:
        return _of_quark(path)
    try:
        raw = path.read_bytes()
        tables = tomllib.loads(raw.decode("utf-8-sig"))
    except FileNotFoundError:
        raise FormatError(f"quantisation recipe {path} does not exist") from None
    except OSError as error:
        raise FormatError(f"quantisation recipe {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"quantisation recipe {path} is not valid TOML: {error}{_unquoted(error)}"
        ) from None
    digest = hashlib.sha256(raw).hexdigest()
    return read_quant_config(tables, source=str(path), folder=path.parent, sha256=digest)


def _of_experiment(path: Path) -> Recipe:
    try:
        from plena_cosim.interop.tao import experiment_recipe
    except ImportError as error:
        raise FormatError(
            f"experiment file {path}: cannot read YAML ({error}); pip install 'plena-cosim[torch]'"
        ) from None
    return experiment_recipe(path)


def _of_quark(path: Path) -> Recipe:
    from plena_cosim.interop.quark import read_file, to_recipe

    try:
        made = to_recipe(read_file(path))
    except FormatError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        raise FormatError(f"{where}{error}") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    recipe = read_quant_config(made.tables, source=str(path), folder=path.parent, sha256=digest)
    said = tuple(f"{path}: {note}" for note in made.notes)
    return replace(recipe, notes=(*said, *recipe.notes))


def read_quant_config(
    tables: Mapping[str, Any],
    *,
    source: str = "quantisation recipe",
    folder: Path | None = None,
    sha256: str = "",
) -> Recipe:
    """Check a recipe that is already parsed; see `load_quant_config`.

    Args:
        tables: the recipe as parsed from TOML or JSON; a table may stand alone in `{"config": …}`,
            as Mase's loader has it.
        source: where it comes from, for messages.
        folder: what the path in [hardware] starts from; None: the working directory.
        sha256: of the file's bytes.

    Returns:
        The recipe, checked.

    Raises:
        FormatError: as `load_quant_config`.
    """
    tables = {key: _unwrapped(value) for key, value in tables.items()}
    rest = dict(tables)
    by = _match_by(rest.pop("by", MatchBy.REGEX_NAME.value), source)
    exclude = _patterns(rest.pop("exclude", []), by, source)
    numerics = read_table(NumericsTable, rest.pop("numerics", {}), f"{source} [numerics]")
    try:
        shared = shared_numerics(numerics.fields())
    except FormatError as error:
        raise FormatError(f"{source} [numerics]: {error}") from None
    defaults = read_table(DefaultsTable, rest.pop("defaults", {}), f"{source} [defaults]").given()
    hardware, machine_table = _hardware(rest.pop("hardware", None), folder or Path(), source)
    gptq, calibrated = _gptq(rest.pop("gptq", None), shared, source)
    search = rest.pop("rotation_search", None)
    if search is not None:
        search = read_table(RotationSearchTable, search, f"{source} [rotation_search]")
        search = inherit_from_gptq(search, gptq)
    rotation = rest.pop("rotation", None)
    if rotation is not None:
        rotation = read_table(RotationTable, rotation, f"{source} [rotation]")
    folds = rotation is not None and (rotation.r1 or rotation.r2)
    scaling = rest.pop("scaling", None)
    if scaling is not None:
        where = f"{source} [scaling]"
        scaling = complete_scaling(read_table(ScalingTable, scaling, where), gptq, where)
    ranges = rest.pop("ranges", None)
    if ranges is not None:
        ranges = read_table(RangesTable, ranges, f"{source} [ranges]").with_data_of(gptq)
    distill = rest.pop("distill", None)
    if distill is not None:
        distill = read_distill(distill, gptq, f"{source} [distill]")
    collector = rest.pop("token_collector", None)
    if collector is not None:
        collector = read_table(TokenCollectorTable, collector, f"{source} [token_collector]")
    phase = rest.pop("phase", {})
    context = _Context(
        by=by, defaults=defaults, shared=shared, calibrated=calibrated, source=source
    )
    selectors: dict[str, tuple[Selector, ...]] = {}
    used: set[str] = set()
    for group, found in {"": rest, **_phase_tables(phase, source)}.items():
        selectors[group], taken = context.read(found, group)
        used |= taken
    notes = list(calibration_notes(selectors, gptq, calibrated, source))
    if not any(selectors.values()) and gptq is None and search is None and not folds:
        if not {"by", "token_collector"} >= set(tables) or not tables:
            raise FormatError(f"{source}: no selector; give one table for each group of modules")
        if collector is None:
            notes.append(f"{source}: no selector, so that nothing is quantised")
    if unused := sorted(set(defaults) - used):
        raise FormatError(f"{source} [defaults]: no selector takes {', '.join(unused)}; remove it")
    return Recipe(
        by=by,
        selectors=selectors[""],
        exclude=exclude,
        phases={kind: selectors.get(f"phase.{kind.value}.", ()) for kind in Phase},
        kv_handover=KvHandover(phase.get("kv_handover", "keep")),
        hardware=hardware,
        seed=numerics.seed,
        strict=numerics.strict,
        gptq=gptq,
        rotation_search=search,
        rotation=rotation,
        scaling=scaling,
        distill=distill,
        ranges=ranges,
        token_collector=collector,
        calibrated=calibrated,
        notes=tuple(notes),
        source=source,
        sha256=sha256,
        tables={**copy.deepcopy(dict(tables)), **machine_table},
    )


def _unwrapped(value: Any) -> Any:
    """Return what Mase's loader has put into `{"config": …}`, or the value itself.

    No table of a recipe has a table or a list called `config`: that of [hardware] is a text.
    """
    inner = value.get("config") if isinstance(value, dict) and len(value) == 1 else None
    return inner if isinstance(inner, dict | list) else value


def _unquoted(error: Exception) -> str:
    """Return what to say of a key such as [model\\.layers\\.\\d+], which TOML cannot read."""
    complaints = (
        "at the end of a table declaration",
        "Invalid initial character for a key part",
        "Expected '=' after a key",
        "Unescaped",
    )
    if not any(words in str(error) for words in complaints):
        return ""
    return (
        r". A selector stands between single quotes, ['model\.layers\.\d+\.mlp'], or between "
        r'double quotes with each \ twice, ["model\\.layers\\.\\d+\\.mlp"]; a table inside of it '
        r"is ['model\.layers\.\d+\.self_attn'.kv_cache]"
    )


def _dotted(key: str, given: Mapping[str, Any]) -> str:
    """Return the selector of which TOML has made tables in tables, as it does without quotes."""
    names = [key]
    while given and all(isinstance(value, dict) for value in given.values()):
        inner = next(iter(given))
        if inner in SELECTOR_KEYS:
            break
        names.append(inner)
        given = given[inner]
    return ".".join(names) if len(names) > 1 else ""


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


def _hardware(
    given: Any, folder: Path, source: str
) -> tuple[HardwareConfig | None, dict[str, Any]]:
    """Return the machine of [hardware], and the table with the file that it names put in."""
    if given is None:
        return None, {}
    where = f"{source} [hardware]"
    table = read_table(HardwareTable, given, where).given()
    if "config" not in table:
        return HardwareConfig.from_tables(table, source=where), {"hardware": table}
    if len(table) > 1:
        raise FormatError(f"{where}: give config, or dimensions and formats, not both")
    path = folder / table["config"]
    try:
        machine = HardwareConfig.load(path)
        return machine, {"hardware": own_tables(path) or machine.tables()}
    except ValueError as error:  # also a path that no file can have
        raise FormatError(f"{where}: {error}") from None


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


@dataclass(frozen=True, kw_only=True)
class _Context:
    """What all selectors of a recipe are read with."""

    by: MatchBy
    defaults: Mapping[str, Any]
    shared: FormatDefaults
    calibrated: Mx | SpecFormat | None
    source: str

    def read(
        self, tables: Mapping[str, Any], group: str
    ) -> tuple[tuple[Selector, ...], frozenset[str]]:
        """Return the selectors of the file, or of a phase, and the defaults that they take."""
        selectors, used = [], frozenset[str]()
        for key, given in tables.items():
            several = (
                isinstance(given, list) and given and all(isinstance(one, dict) for one in given)
            )
            for number, one in enumerate(given if several else [given], 1):
                place = f"{key} {number}" if several else ""
                where = f"{self.source} [{group}{place or key}]"
                self._require_selector(key, one, group, where)
                selector, taken = read_selector(
                    key, one, self.defaults, self.shared, where, place=place
                )
                require_calibrated(selector, self.calibrated, where)
                selectors.append(selector)
                used |= taken
        return tuple(selectors), used

    def _require_selector(self, key: Any, given: Any, group: str, where: str) -> None:
        known = [] if group else list(RecipeFile.model_fields)
        if not isinstance(key, str):
            raise FormatError(f"{where}: a selector's key must be a text, got {key!r}")
        hint = did_you_mean(key, known)
        if not isinstance(given, dict):
            keys = f"; known: {', '.join(known)}, and" if known else "; give"
            raise FormatError(
                f"{self.source}: unknown key {group + key!r}{keys} one table a selector{hint}"
            )
        dotted = "" if "name" in self.defaults else _dotted(key, given)
        if dotted:
            raise FormatError(
                f"{where}: holds tables, and no keys of a selector; a selector with dots stands "
                f"between quotes, such as ['{dotted}']"
            )
        if hint and "name" not in given and "name" not in self.defaults:
            raise FormatError(f"{where}: neither a known table nor a selector with a name{hint}")
        _require_pattern(key, self.by, where)


def _gptq(
    given: Any, shared: FormatDefaults, source: str
) -> tuple[GptqTable | None, Mx | SpecFormat | None]:
    """Return [gptq] and the weight format that it calibrates."""
    if given is None:
        return None, None
    where = f"{source} [gptq]"
    table = read_table(GptqTable, given, where)
    return table, calibrated_format(table, shared, where)
