"""to_recipe: the recipe that a configuration means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from .patterns import has_wildcards, meet
from .quantization.config.algorithms import GPTQConfig, QronosConfig
from .quantization.config.layer_config import QuantizationConfig
from .quantization.config.model_config import Config
from .quantization.config.type import QuantizationMode
from .recipe_algorithms import algorithm_tables
from .recipe_gptq import with_gptq
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

_QUANTISES = {*ROLES.values(), "softmax_out"}

LAYERS = ("Linear", "Conv2d", "ConvTranspose2d")
"""Classes of the modules that the global configuration is about."""
EMBEDDING = "Embedding"
"""A class of modules of which a name or a type has to say something; it has a weight only."""
ATTENTION = ("*.self_attn", "*.attn", "*.self_attention", "*.attention")
"""What modules are called inside which there is a softmax."""
SHARED = "kv_cache"
"""The word of projections that share a range."""

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


def to_recipe_tables(config: Any, *, model_name: str | None = None) -> _Tables:
    """Return the tables of the recipe that a configuration means; see `to_recipe`."""
    return to_recipe(config, model_name=model_name).tables


def to_recipe(config: Any, *, model_name: str | None = None) -> QuarkRecipe:
    """Return the recipe that a configuration means.

    The more specific level decides: `exclude`, then a name, then a type, then the global
    configuration; what it leaves None is that of the next level. A name without wildcards comes
    before those with, and these are tried in their order. Names of the cache come before all; what
    is excluded keeps of these the output only. As in Quark it is no error that a level matches
    nothing: its selectors are optional.

    Args:
        config: a Config, of here or of an installed Quark; or a QuantizationConfig, for the global
            level alone.
        model_name: what GPTQ or Qronos calibrates: a folder or a hub id.

    Raises:
        FormatError: a part that no recipe can say; the message names it.

    >>> from .schemes import scheme
    >>> to_recipe_tables(scheme("mxfp4_weight_only"))["*"][0]["weight"]["element"]
    'mxfp4_e2m1'
    """
    return _Levels(_ours(config)).recipe(model_name)


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


@dataclass
class _Levels:
    """The levels of one configuration, and the notes made of it on the way."""

    config: Config
    notes: dict[str, None] = field(default_factory=dict)

    def recipe(self, model_name: str | None) -> QuarkRecipe:
        config = self.config
        self._require_known()
        selectors: dict[str, list[_Tables]] = {}
        special = (*self._cache(), *self._excluded(), *self._names())
        for name, found in (*special, ("*", self._everything()), *self._softmax()):
            if found:
                selectors.setdefault(name, found)  # the first that has a name decides
        if len(selectors) > 1 or len(selectors.get("*", ())) > 1:
            for table in (table for tables in selectors.values() for table in tables):
                table["optional"] = True
        given = config.algo_config or []
        gptq = [each for each in given if isinstance(each, (GPTQConfig, QronosConfig))]
        algorithms, said = algorithm_tables([each for each in given if each not in gptq])
        quantises = any(set(table) & _QUANTISES for found in selectors.values() for table in found)
        if not quantises and not given:
            raise FormatError("the configuration quantises nothing; give it a specification")
        if not quantises:
            self._say("no level quantises anything: add a selector, or give a scheme")
        if len(gptq) > 1:
            raise FormatError(
                "algo_config: gptq, qronos: a recipe has one [gptq]; keep one of them"
            )
        for each in gptq:
            algorithms["gptq"], selectors, words = with_gptq(selectors, each, model_name)
            said += [f"[gptq]: {word}" for word in words]
        for note in said:
            self._say(note)
        tables: _Tables = {"by": "glob", **algorithms}
        if any(map(_is_static, selectors.values())):
            tables["ranges"] = {}
            self._say("static ranges are calibrated on the text of [ranges], here WikiText-2")
        if config.quant_mode is not QuantizationMode.eager_mode:
            self._say(f"quant_mode = {config.quant_mode.name} is not read")
        return QuarkRecipe(tables={**tables, **selectors}, notes=tuple(self.notes))

    def _require_known(self) -> None:
        config, known = self.config, (*LAYERS, EMBEDDING)
        for name in config.layer_type_quant_config:
            if name not in known:
                raise FormatError(
                    f"layer_type_quant_config: a recipe changes no {name}; known: "
                    f"{', '.join(known)}{did_you_mean(name, known)}"
                )
        if config.kv_cache_post_rope and config.kv_cache_quant_config:
            raise FormatError(
                "kv_cache_post_rope: outputs of projections are quantised before the rotary "
                "embedding; leave it out"
            )

    def _say(self, note: str) -> None:
        self.notes[note] = None

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
                    tables = self._cached(name, given, where)
                    for table in tables:
                        self._as_cache(table, name, where)
                    found.append((name, tables))
            self._say_what_meets(pattern, given, where)
        if not found and (config.kv_cache_group or config.min_kv_scale):
            self._say("kv_cache_group, min_kv_scale: no kv_cache_quant_config, not read")
        return found

    def _as_cache(self, table: _Tables, name: str, where: str) -> None:
        """Add to the output of a table what all of the cache has in common."""
        config = self.config
        stages = table.get("data_out", [])
        stages = stages if isinstance(stages, list) else [stages]
        grouped = any(fnmatchcase(name, each) for each in config.kv_cache_group)
        for stage in stages:
            scaled = "scale" in stage
            if config.min_kv_scale and scaled:
                stage["min_scale"] = float(config.min_kv_scale)
            if grouped and any("range" in each for each in stages):
                stage["shared_by"] = SHARED
            if (config.min_kv_scale and not scaled) or (grouped and "shared_by" not in stage):
                self._say(
                    f"{where}: kv_cache_group and min_kv_scale are about static scales, not read"
                )

    def _excluded(self) -> list[tuple[str, list[_Tables]]]:
        return [(each, [{"name": FAMILY, "bypass": True}]) for each in self.config.exclude]

    def _softmax(self) -> list[tuple[str, list[_Tables]]]:
        """Return the selectors of attention's probabilities."""
        spec = self.config.softmax_quant_spec
        if spec is None:
            return []
        try:
            made, said = stage_tables([spec], weight=False)
        except FormatError as error:
            raise FormatError(f"softmax_quant_spec: {error}") from None
        for each in (*said, f"of modules called {', '.join(ATTENTION)}"):
            self._say(f"softmax_quant_spec: {each}")
        return [(name, [{"name": FAMILY, "softmax_out": made}]) for name in ATTENTION]

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
                    self._say(
                        f"{where}: of what exclude {each!r} names, too, Quark quantises the "
                        "output only; here all that this level says"
                    )
        for each in config.layer_quant_config:
            if _overlap(pattern, each) and self._name_above(pattern) is None:
                self._say(
                    f"{where}: of what layer_quant_config[{each!r}] names, too, what is left open "
                    "is not taken from there; give it here"
                )

    def _names(self) -> list[tuple[str, list[_Tables]]]:
        given = self.config.layer_quant_config
        ordered = sorted(given, key=has_wildcards)  # stable
        found = []
        for place, name in enumerate(ordered):
            tables = self._by_type(given[name], None, f"layer_quant_config[{name!r}]")
            later = [
                each for each in ordered[place + 1 :] if given[each].weight and meet(name, each)
            ]
            if later and not any(EMBEDDING in table["type"] for table in tables):
                tables += self._tables(QuantizationConfig(), "", [EMBEDDING])  # not theirs
            found.append((name, tables))
        return found

    def _everything(self) -> list[_Tables]:
        """Return the tables of types and of the global level."""
        config, tables = self.config, []
        for kind in config.layer_type_quant_config:
            where = f"layer_type_quant_config[{kind!r}]"
            filled = self._filled(QuantizationConfig(), None, kind, "")
            self._say_filled(config.layer_type_quant_config[kind], filled, where)
            tables += self._tables(filled, where, [kind])
        rest = [kind for kind in LAYERS if kind not in config.layer_type_quant_config]
        if rest and config.global_quant_config != QuantizationConfig():
            tables += self._tables(config.global_quant_config, "global_quant_config", rest)
        return tables

    def _by_type(
        self, given: QuantizationConfig, above: QuantizationConfig | None, where: str
    ) -> list[_Tables]:
        """Return a name's tables, one for each classes of modules that become the same."""
        kinds: list[tuple[QuantizationConfig, list[str]]] = []
        for kind in (*LAYERS, EMBEDDING):
            filled = self._filled(given, above, kind, where)
            if kind == EMBEDDING:
                filled = QuantizationConfig(weight=filled.weight)
                if filled.weight is None:
                    continue
            same = next((names for config, names in kinds if config == filled), None)
            if same is None:
                kinds.append((filled, [kind]))
            else:
                same.append(kind)
        return [table for config, names in kinds for table in self._tables(config, where, names)]

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
                self._say(
                    f"{where}: {tensor} is that of a level above; Quark 0.13 leaves it unquantised"
                )

    def _name_above(self, name: str) -> QuantizationConfig | None:
        """Return what the level of names says of a name of the cache."""
        given = self.config.layer_quant_config
        known = sorted(given, key=has_wildcards)
        return next((given[each] for each in known if fnmatchcase(name, each)), None)

    def _tables(
        self, given: QuantizationConfig, where: str, kinds: Sequence[str] = LAYERS
    ) -> list[_Tables]:
        """Return the table of one configuration; of one that says nothing, that it is left."""
        types = kinds[0] if len(kinds) == 1 else list(kinds)
        table: _Tables = {"name": FAMILY, "type": types}
        if given.target_device is not None:
            self._say(f"{where}: target_device = {given.target_device.value} is not read")
        for tensor, role in ROLES.items():
            stages = given.stages(tensor)
            if not stages or (EMBEDDING in kinds and tensor != "weight"):
                continue
            try:
                table[role], said = stage_tables(stages, weight=tensor in ("weight", "bias"))
            except FormatError as error:
                raise FormatError(f"{where}: {tensor}: {error}") from None
            for each in said:
                self._say(f"{where}: {tensor}: {each}")
        if not set(table) & _QUANTISES:
            table["bypass"] = True
        return [table]


def _is_static(tables: list[_Tables]) -> bool:
    """Whether an input or an output has a static range; a weight has its own at hand."""
    roles = [table[role] for table in tables for role in ("data_in", "data_out") if role in table]
    stages = [each for role in roles for each in (role if isinstance(role, list) else [role])]
    return any("range" in stage for stage in stages)


def _output_of(given: QuantizationConfig) -> QuantizationConfig:
    return QuantizationConfig(output_tensors=given.output_tensors)


def _overlap(pattern: str, other: str) -> bool:
    """Whether some names of a pattern match another with wildcards, and others may not."""
    return has_wildcards(other) and not fnmatchcase(pattern, other) and meet(pattern, other)
