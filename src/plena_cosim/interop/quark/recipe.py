"""to_recipe: the recipe that a configuration means."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from .patterns import has_wildcards, meet
from .quantization.config.layer_config import QuantizationConfig
from .quantization.config.model_config import Config
from .recipe_algorithms import algorithm_tables
from .recipe_stages import stage_tables

FAMILY = "spec"
"""The `name` of the selectors."""
ROLES = {
    "weight": "weight",
    "input_tensors": "data_in",
    "output_tensors": "data_out",
    "bias": "bias",
}
"""Roles of a recipe by the tensors of a QuantizationConfig."""

LAYERS = ("Linear", "Conv2d")
"""Classes of the modules that the global configuration is about."""
EMBEDDING = "Embedding"
"""A class of modules of which a name or a type has to say something; it has a weight only."""

_Tables = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class QuarkRecipe:
    """A recipe and what it does not say.

    Attributes:
        tables: as parsed from TOML.
        notes: a line for each thing of the configuration that the tables do not say, or say
            otherwise than Quark 0.13 does it.
    """

    tables: _Tables
    notes: tuple[str, ...]


def to_recipe_tables(config: Any) -> _Tables:
    """Return the tables of the recipe that a configuration means; see `to_recipe`."""
    return to_recipe(config).tables


def to_recipe(config: Any) -> QuarkRecipe:
    """Return the recipe that a configuration means.

    The more specific level decides: `exclude`, then a name, then a type, then the global
    configuration; what it leaves None is that of the next level. A name without wildcards comes
    before those with, and these are tried in their order. Names of the cache come before all; what
    is excluded keeps of these the output only.

    Args:
        config: a Config, of here or of an installed Quark; or a QuantizationConfig, for the global
            level alone.

    Raises:
        FormatError: a part that no recipe can say; the message names it.

    >>> from .schemes import scheme
    >>> to_recipe_tables(scheme("mxfp4_weight_only"))["*"][0]["weight"]["element"]
    'mxfp4_e2m1'
    """
    levels = _Levels(_ours(config))
    return levels.recipe()


def _ours(given: Any) -> Config:
    if isinstance(given, Config):
        return given
    if isinstance(given, QuantizationConfig):
        return Config(given)
    if not hasattr(given, "to_dict"):
        raise FormatError(f"need a Config or a QuantizationConfig; got {given!r}")
    found = given.to_dict()
    if "global_quant_config" not in found:
        return Config(QuantizationConfig.from_dict(found))
    for key in ("kv_cache_group", "min_kv_scale"):  # Quark's dictionary leaves them out
        found.setdefault(key, getattr(given, key, None))
    return Config.from_dict(found)


@dataclass(kw_only=False)
class _Levels:
    """The levels of one configuration, and the notes made of it on the way."""

    config: Config
    notes: dict[str, None] = field(default_factory=dict)

    def recipe(self) -> QuarkRecipe:
        config = self.config
        self._require_known()
        selectors: dict[str, list[_Tables]] = {}
        for name, found in (*self._cache(), *self._names(), ("*", self._everything())):
            if found:
                selectors.setdefault(name, found)  # the first that has a name decides
        algorithms, said = algorithm_tables(config.algo_config or [])
        if not selectors and not algorithms:
            raise FormatError("the configuration quantises nothing; give it a specification")
        for each in said:
            self.notes[each] = None
        self._other_notes()
        if not selectors:
            self.notes["no level quantises anything: add a selector, or give a scheme"] = None
        excluded = self._plain_exclude()
        first: _Tables = {"by": "glob"} | ({"exclude": excluded} if excluded else {})
        tables = {**first, **algorithms, **selectors}
        return QuarkRecipe(tables=tables, notes=tuple(self.notes))

    def _require_known(self) -> None:
        config, known = self.config, (*LAYERS, EMBEDDING)
        for name in config.layer_type_quant_config:
            if name not in known:
                raise FormatError(
                    f"layer_type_quant_config: a recipe changes no {name}; known: "
                    f"{', '.join(known)}{did_you_mean(name, known)}"
                )
        if config.softmax_quant_spec is not None:
            raise FormatError(
                "softmax_quant_spec: a recipe has no key for attention's probabilities in such a "
                "format; leave it out"
            )
        if config.kv_cache_post_rope and config.kv_cache_quant_config:
            raise FormatError(
                "kv_cache_post_rope: outputs of projections are quantised before the rotary "
                "embedding; leave it out"
            )

    def _other_notes(self) -> None:
        config = self.config
        if config.kv_cache_group:
            names = ", ".join(config.kv_cache_group)
            self.notes[f"kv_cache_group: {names} have a scale each here"] = None
        if config.min_kv_scale:
            self.notes[f"min_kv_scale = {config.min_kv_scale}: scales have no floor here"] = None
        if config.quant_mode.name != "eager_mode":
            self.notes[f"quant_mode = {config.quant_mode.name} is not read"] = None

    # ------------------------------------------------------------------------ levels as selectors

    def _cache(self) -> list[tuple[str, list[_Tables]]]:
        """Return the selectors of the cache; the last pattern that matches decides."""
        config = self.config
        whole = [
            each
            for each in (*config.exclude, *config.layer_quant_config)
            if not has_wildcards(each)
        ]
        found = []
        for pattern, given in reversed(config.kv_cache_quant_config.items()):
            where = f"kv_cache_quant_config[{pattern!r}]"
            for name in dict.fromkeys((*whole, pattern)):
                if fnmatchcase(name, pattern):
                    found.append((name, self._cached(name, given, where)))
            self._say_what_meets(pattern, given, where)
        if found:
            left = [each for each in config.exclude if each not in self._plain_exclude()]
            found += [(each, [{"name": FAMILY, "bypass": True}]) for each in left]
        return found

    def _cached(self, name: str, given: QuantizationConfig, where: str) -> list[_Tables]:
        """Return the tables of a name or pattern whose outputs are cached."""
        if any(fnmatchcase(name, each) for each in self.config.exclude):
            return self._tables(_output_of(given), where)
        return self._by_type(given, self._name_above(name), where)

    def _say_what_meets(self, pattern: str, given: QuantizationConfig, where: str) -> None:
        """Note where some names of a pattern have something else above them than the others."""
        config = self.config
        if _output_of(given) != given:
            for each in config.exclude:
                if _overlap(pattern, each):
                    self.notes[
                        f"{where}: of what exclude {each!r} names, too, Quark quantises the "
                        "output only; here all that this level says"
                    ] = None
        for each in config.layer_quant_config:
            if _overlap(pattern, each) and self._name_above(pattern) is None:
                self.notes[
                    f"{where}: of what layer_quant_config[{each!r}] names, too, what is left open "
                    "is not taken from there; give it here"
                ] = None

    def _names(self) -> list[tuple[str, list[_Tables]]]:
        given = self.config.layer_quant_config
        ordered = sorted(given, key=has_wildcards)  # stable
        return [
            (name, self._by_type(given[name], None, f"layer_quant_config[{name!r}]"))
            for name in ordered
        ]

    def _everything(self) -> list[_Tables]:
        """Return the tables of types and of the global level."""
        config, tables = self.config, []
        for kind in config.layer_type_quant_config:
            where = f"layer_type_quant_config[{kind!r}]"
            filled = self._filled(QuantizationConfig(), None, kind, "")
            self._say_filled(config.layer_type_quant_config[kind], filled, where)
            tables += self._tables(filled, where, kind)
        for kind in LAYERS:
            if kind not in config.layer_type_quant_config:
                made = self._tables(config.global_quant_config, "global_quant_config", kind)
                tables += [table for table in made if "bypass" not in table]
        return tables

    def _by_type(
        self, given: QuantizationConfig, above: QuantizationConfig | None, where: str
    ) -> list[_Tables]:
        """Return a name's tables, one a class of module."""
        tables = []
        for kind in (*LAYERS, EMBEDDING):
            filled = self._filled(given, above, kind, where)
            if kind == EMBEDDING and filled.weight is None:
                continue
            tables += self._tables(filled, where, kind)
        return tables

    def _filled(
        self, given: QuantizationConfig, above: QuantizationConfig | None, kind: str, where: str
    ) -> QuantizationConfig:
        """Return a configuration with what it leaves open from the levels above it."""
        filled = given if above is None else given.over(above)
        of_type = self.config.layer_type_quant_config.get(kind)
        filled = filled if of_type is None else filled.over(of_type)
        if kind != EMBEDDING:
            filled = filled.over(self.config.global_quant_config)
        if where:
            self._say_filled(given, filled, where)
        return filled

    def _say_filled(
        self, given: QuantizationConfig, filled: QuantizationConfig, where: str
    ) -> None:
        for tensor in ROLES:
            if getattr(given, tensor) is None and getattr(filled, tensor) is not None:
                self.notes[
                    f"{where}: {tensor} is that of a level above; Quark 0.13 leaves it unquantised"
                ] = None

    def _name_above(self, name: str) -> QuantizationConfig | None:
        """Return what the level of names says of a name of the cache."""
        given = self.config.layer_quant_config
        known = sorted(given, key=has_wildcards)
        return next((given[each] for each in known if fnmatchcase(name, each)), None)

    def _plain_exclude(self) -> list[str]:
        """Return the exclusions of which nothing is quantised, not even the cache."""
        cache = self.config.kv_cache_quant_config
        return [
            each
            for each in self.config.exclude
            if not any(fnmatchcase(each, name) or fnmatchcase(name, each) for name in cache)
        ]

    def _tables(
        self, given: QuantizationConfig, where: str, kind: str | None = None
    ) -> list[_Tables]:
        """Return the table of one configuration; of one that says nothing, that it is left."""
        table: _Tables = {"name": FAMILY} | ({} if kind is None else {"type": kind})
        if given.target_device is not None:
            self.notes[f"{where}: target_device = {given.target_device.value} is not read"] = None
        for tensor, role in ROLES.items():
            stages = given.stages(tensor)
            if not stages or (kind == EMBEDDING and tensor != "weight"):
                continue
            try:
                table[role], said = stage_tables(stages, weight=tensor in ("weight", "bias"))
            except FormatError as error:
                raise FormatError(f"{where}: {tensor}: {error}") from None
            for each in said:
                self.notes[f"{where}: {tensor}: {each}"] = None
        if not set(table) & set(ROLES.values()):
            table["bypass"] = True
        return [table]


def _output_of(given: QuantizationConfig) -> QuantizationConfig:
    return QuantizationConfig(output_tensors=given.output_tensors)


def _overlap(pattern: str, other: str) -> bool:
    """Whether some names of a pattern match another with wildcards, and others may not."""
    return has_wildcards(other) and not fnmatchcase(pattern, other) and meet(pattern, other)
