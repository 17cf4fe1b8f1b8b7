"""Config: what becomes of a model, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from plena_cosim.golden.formats import FormatError

from .algorithms import AlgoConfig, algorithm_from_dict
from .data_type_spec import DataTypeSpec
from .layer_config import QuantizationConfig, require_mapping, spec_from_dict
from .quantization_spec import QuantizationSpec, as_member, require_keys
from .type import QuantizationMode

LEVELS = ("layer_type_quant_config", "layer_quant_config", "kv_cache_quant_config")
"""Levels that map names to configurations."""
METHOD = "quark"
"""The `quant_method` of a checkpoint."""


@dataclass(frozen=True)
class Config:
    """Configurations of a model's layers: a name before a type, a type before all others.

    Args:
        global_quant_config: of layers that no other level names.
        layer_type_quant_config: by class of module, or its name; kept by name.
        layer_quant_config: by name of module, with wildcards.
        kv_cache_quant_config: by name of the projections whose outputs are cached, with wildcards.
        kv_cache_group: names of projections that share one scale of the cache.
        min_kv_scale: the smallest scale of the cache.
        softmax_quant_spec: of attention's probabilities.
        exclude: names of modules, with wildcards, that stay as they are.
        algo_config: algorithms, in order; one by itself is a list of one.
        quant_mode: eager_mode or fx_graph_mode; changes no number here.
        log_severity_level: of Quark's messages.
        version: of Quark.
        kv_cache_post_rope: Quark 0.13: keys are quantised behind the rotary embedding.

    Raises:
        FormatError: a value that an argument does not take.
    """

    global_quant_config: QuantizationConfig
    layer_type_quant_config: dict[Any, QuantizationConfig] = field(default_factory=dict)
    layer_quant_config: dict[str, QuantizationConfig] = field(default_factory=dict)
    kv_cache_quant_config: dict[str, QuantizationConfig] = field(default_factory=dict)
    kv_cache_group: list[str] = field(default_factory=list)
    min_kv_scale: float = 0.0
    softmax_quant_spec: QuantizationSpec | None = None
    exclude: list[str] = field(default_factory=list)
    algo_config: list[AlgoConfig] | None = None
    quant_mode: QuantizationMode = QuantizationMode.eager_mode
    log_severity_level: int | None = 1
    version: str | None = "0.10"
    kv_cache_post_rope: bool = False

    def __post_init__(self) -> None:
        _require_config("global_quant_config", self.global_quant_config)
        for level in LEVELS:
            object.__setattr__(self, level, _by_name(level, getattr(self, level)))
        for key in ("kv_cache_group", "exclude"):
            _require_names(key, getattr(self, key))
        object.__setattr__(self, "algo_config", _as_algorithms(self.algo_config))
        object.__setattr__(self, "softmax_quant_spec", _as_spec(self.softmax_quant_spec))
        number = isinstance(self.min_kv_scale, (int, float)) and self.min_kv_scale >= 0
        if not number or isinstance(self.min_kv_scale, bool):
            raise FormatError(f"min_kv_scale must be a number from 0; got {self.min_kv_scale!r}")
        mode = as_member(QuantizationMode, self.quant_mode, "quant_mode")
        object.__setattr__(self, "quant_mode", mode)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON has it, with all that a checkpoint of Quark holds."""
        algorithms, softmax = self.algo_config, self.softmax_quant_spec
        levels = {
            level: {name: each.to_dict() for name, each in getattr(self, level).items()}
            for level in LEVELS
        }
        return {
            "global_quant_config": self.global_quant_config.to_dict(),
            **levels,
            "kv_cache_group": list(self.kv_cache_group),
            "min_kv_scale": self.min_kv_scale,
            "softmax_quant_spec": None if softmax is None else softmax.to_dict(),
            "exclude": list(self.exclude),
            "algo_config": None if algorithms is None else [each.to_dict() for each in algorithms],
            "quant_mode": self.quant_mode.name,
            "log_severity_level": self.log_severity_level,
            "version": self.version,
            "kv_cache_post_rope": self.kv_cache_post_rope,
            "quant_method": METHOD,
        }

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> Self:
        """Return what a dictionary means, of `to_dict`, of a QConfig or of a checkpoint.

        Args:
            config_dict: arguments by name; None stands for a default. A checkpoint has besides
                `quant_method` and `export`, of which kv_cache_group and min_kv_scale are read.

        Raises:
            FormatError: an unknown key or value, or no global_quant_config.
        """
        require_mapping(cls.__name__, config_dict)
        given = dict(config_dict)
        method, export = given.pop("quant_method", METHOD), given.pop("export", None) or {}
        if method != METHOD:
            raise FormatError(f"quant_method must be {METHOD!r}; got {method!r}")
        for key in ("kv_cache_group", "min_kv_scale"):
            given.setdefault(key, export.get(key))
        known = [each.name for each in fields(cls)]
        require_keys(cls.__name__, given, known)
        if given.get("global_quant_config") is None:
            raise FormatError(f"{cls.__name__} needs global_quant_config")
        given = {key: value for key, value in given.items() if value is not None}
        _read(given, "global_quant_config", QuantizationConfig.from_dict)
        _read(given, "softmax_quant_spec", spec_from_dict)
        _read(given, "algo_config", _algorithms)
        for level in LEVELS:
            _read(given, level, _level)
        if "version" in config_dict or "quant_method" in config_dict:
            given["version"] = config_dict.get("version")
        return cls(**given)


def _read(given: dict[str, Any], key: str, read: Any) -> None:
    """Replace the value of a key by what is read of it; the message of an error names the key."""
    if key in given:
        try:
            given[key] = read(given[key])
        except FormatError as error:
            raise FormatError(f"{key}: {error}") from None


def _level(given: Any) -> dict[str, QuantizationConfig]:
    require_mapping("a level", given)
    found = dict(given)
    for name in found:
        _read(found, name, QuantizationConfig.from_dict)
    return found


def _algorithms(given: Any) -> list[AlgoConfig]:
    return [algorithm_from_dict(each) for each in (given if isinstance(given, list) else [given])]


def _as_algorithms(given: Any) -> list[AlgoConfig] | None:
    found = [given] if isinstance(given, AlgoConfig) else given
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, AlgoConfig) for each in found):
        raise FormatError(
            f"algo_config must be a list of algorithms such as AWQConfig(); got {given!r}"
        )
    return found


def _as_spec(given: Any) -> QuantizationSpec | None:
    if given is None:
        return None
    if not isinstance(given, (QuantizationSpec, DataTypeSpec)):
        raise FormatError(f"softmax_quant_spec must be one specification; got {given!r}")
    return given.to_quantization_spec()


def _by_name(level: str, given: Any) -> dict[str, QuantizationConfig]:
    require_mapping(level, given)
    found = {}
    for key, config in given.items():
        name = key.__name__ if isinstance(key, type) else key
        if not isinstance(name, str) or (isinstance(key, type) and level != LEVELS[0]):
            raise FormatError(f"{level}: keys are names; got {key!r}")
        _require_config(f"{level}[{name!r}]", config)
        found[name] = config
    return found


def _require_config(where: str, given: Any) -> None:
    if not isinstance(given, QuantizationConfig):
        raise FormatError(
            f"{where} must be a QuantizationConfig such as "
            f"QuantizationConfig(weight=Int8PerTensorSpec()); got {given!r}"
        )


def _require_names(key: str, given: Any) -> None:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise FormatError(f"{key} must be a list of names; got {given!r}")
