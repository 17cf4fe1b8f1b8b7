"""read_file: a configuration out of any JSON file of Quark, or of a checkpoint's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError

from .quantization.config.algorithm_files import read_json
from .quantization.config.algorithms import AWQConfig, algorithm_from_dict
from .quantization.config.data_types import (
    FP8E4M3PerTensorSpec,
    Int4PerGroupSpec,
    Int8PerGroupSpec,
    Uint4PerGroupSpec,
    Uint8PerGroupSpec,
)
from .quantization.config.layer_config import QuantizationConfig
from .quantization.config.model_config import METHOD, Config

_KINDS = (
    "a Config or QConfig (global_quant_config), the configuration of a layer (weight, "
    "input_tensors …), an algorithm (name), or the config.json of a checkpoint "
    "(quantization_config)"
)


def read_file(path: str | Path) -> Config:
    """Return the configuration that a file of Quark holds.

    Args:
        path: a JSON file: of Config.to_dict, of a layer's configuration, of an algorithm or a list
            of them, or a checkpoint's config.json; or the folder of a checkpoint.

    Returns:
        The configuration. That of an algorithm quantises nothing by itself.

    Raises:
        FormatError: no such file, or one of another kind, or something wrong in it.
    """
    path = Path(path)
    file = path / "config.json" if path.is_dir() else path
    data = read_json(file)
    try:
        return config_from_json(data)
    except FormatError as error:
        raise FormatError(f"{file}: {error}") from None


def config_from_json(data: Any) -> Config:
    """Return the configuration that parsed JSON means; see `read_file`.

    Raises:
        FormatError: it is of no known kind, or something is wrong in it.
    """
    nothing = QuantizationConfig()
    if isinstance(data, list) and data:
        return Config(nothing, algo_config=[algorithm_from_dict(each) for each in data])
    if not isinstance(data, Mapping):
        raise FormatError(f"need {_KINDS}; got {_short(data)}")
    if "quantization_config" in data:
        inner = data["quantization_config"]
        if not isinstance(inner, Mapping):
            raise FormatError(f"quantization_config: need a dictionary; got {_short(inner)}")
        return _of_method(inner)
    if "global_quant_config" in data or "quant_method" in data:
        return _of_method(data)
    if "name" in data:
        return Config(nothing, algo_config=[algorithm_from_dict(data)])
    if set(data) & {each.name for each in fields(QuantizationConfig)}:
        return Config(QuantizationConfig.from_dict(data))
    if "model_type" in data:
        raise FormatError("the model is not quantised: its config.json has no quantization_config")
    raise FormatError(f"need {_KINDS}; got an object with {', '.join(map(str, data)) or 'no key'}")


def _of_method(data: Mapping[str, Any]) -> Config:
    method = data.get("quant_method", METHOD)
    if method == METHOD:
        return Config.from_dict(data)
    if method not in _EXPORTS:
        raise FormatError(
            f"quant_method {method!r} is not one that Quark writes; known: "
            f"{', '.join([METHOD, *_EXPORTS])}"
        )
    return _EXPORTS[method](data)


def _fp8(data: Mapping[str, Any]) -> Config:
    """Quark's export for vLLM: weights by tensor, inputs as activation_scheme says."""
    activations = data.get("activation_scheme")
    if activations not in (None, "static", "dynamic"):
        raise FormatError(f"activation_scheme must be static or dynamic; got {activations!r}")
    if data.get("kv_cache_scheme") is not None:
        raise FormatError(
            "kv_cache_scheme: which projections are cached is not in the file; leave it out and "
            "give kv_cache_quant_config"
        )
    inputs = FP8E4M3PerTensorSpec(is_dynamic=activations == "dynamic")
    return Config(
        QuantizationConfig(
            weight=FP8E4M3PerTensorSpec(is_dynamic=False),
            input_tensors=None if activations is None else inputs,
        ),
        exclude=list(data.get("ignored_layers") or []),
    )


def _awq(data: Mapping[str, Any]) -> Config:
    """Quark's export for AutoAWQ: weights by group."""
    kinds = {
        (4, False): Int4PerGroupSpec,
        (8, False): Int8PerGroupSpec,
        (4, True): Uint4PerGroupSpec,
        (8, True): Uint8PerGroupSpec,
    }
    key = (data.get("bits"), data.get("zero_point"))
    if key not in kinds:
        raise FormatError(f"bits must be 4 or 8 and zero_point true or false; got {key}")
    spec = kinds[key](
        symmetric=not key[1], ch_axis=1, is_dynamic=False, group_size=data.get("group_size")
    )
    return Config(
        QuantizationConfig(weight=spec),
        exclude=list(data.get("modules_to_not_convert") or []),
        algo_config=[AWQConfig()],
    )


_EXPORTS = {"fp8": _fp8, "awq": _awq}


def with_scheme(config: Config | None, scheme: QuantizationConfig) -> Config:
    """Return a configuration whose global level is a scheme's.

    Args:
        config: of algorithms alone, or None.
        scheme: its configuration.

    Raises:
        FormatError: the configuration has a global level of its own.
    """
    if config is None:
        return Config(scheme)
    if config.global_quant_config != QuantizationConfig():
        raise FormatError("the file says itself what is quantised; leave out the scheme")
    return replace(config, global_quant_config=scheme)


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:60]} …"
