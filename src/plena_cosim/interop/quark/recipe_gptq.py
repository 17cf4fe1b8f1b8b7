"""with_gptq: the selectors of a recipe whose weights [gptq] calibrates, and that table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.golden.blocks import BLOCK_FORMATS

from .quantization.config.algorithms import GPTQConfig, QronosConfig

CALIBRATED = "Linear"
"""The class of modules of which weights are calibrated."""

_Tables = dict[str, Any]
_Selectors = dict[str, list[_Tables]]
_NONE = ("fp16", "bf16", *BLOCK_FORMATS)
"""Elements whose weights are not calibrated."""


def with_gptq(
    selectors: Mapping[str, list[_Tables]],
    given: GPTQConfig | QronosConfig,
    model_name: str | None,
) -> tuple[_Tables, _Selectors, list[str]]:
    """Return [gptq], the selectors that take what it calibrates, and what neither says.

    Args:
        selectors: of the family spec, by name.
        given: the algorithm.
        model_name: the model to calibrate, which Quark is given elsewhere.

    Raises:
        FormatError: no model; weights of several formats, or none; or a weight that is a chain or
            has no scale whose columns can be worked on one after the other.
    """
    name = "qronos" if isinstance(given, QronosConfig) else "gptq"
    if model_name is None:
        raise FormatError(f"{name}: [gptq] names the model that it calibrates; give it by --model")
    made = {
        key: [_calibrated(one) for table in tables for one in _by_kind(table)]
        for key, tables in selectors.items()
    }
    weights: dict[str, Any] = {
        str(table["weight"]): table["weight"]
        for tables in made.values()
        for table in tables
        if "gptq" in table
    }
    if len(weights) != 1:
        raise FormatError(
            f"{name}: [gptq] calibrates weights of one format; here are {len(weights)}: "
            f"{'; '.join(weights) or 'none'}"
        )
    (weight,) = weights.values()
    if not isinstance(weight, dict) or weight["element"] in _NONE:
        element = weight["element"] if isinstance(weight, dict) else "a chain"
        raise FormatError(
            f"{name}: [gptq] calibrates integers, minifloats and MX; got {element}. Take another "
            "specification of the weight, or no such algorithm"
        )
    mx = weight["element"].startswith("mx")
    calibration = {"model_name": model_name, "format": "spec", **_keys(given)}
    calibration |= _OF_MX if mx else _of_columns(given)
    notes = []
    if mx:
        notes.append("block_size is not read: columns are worked on one after the other")
    if mx and given.static_groups:
        notes.append("static_groups: a block's scale follows from its columns when it is reached")
    if given.inside_layer_modules:
        notes.append("inside_layer_modules is not read: all linear layers are calibrated")
    return {**calibration, "weight_config": weight}, made, notes


_OF_MX = {"quantile_search": False, "scale_neighbours": 0}


def _keys(given: GPTQConfig | QronosConfig) -> _Tables:
    if isinstance(given, QronosConfig):
        own = {"algorithm": "qronos", "alpha": float(given.alpha), "beta": float(given.beta)}
    else:
        own = {"damp_percent": float(given.damp_percent)}
    return {**own, "desc_act": given.desc_act}


def _of_columns(given: GPTQConfig | QronosConfig) -> _Tables:
    return {"static_groups": given.static_groups, "block_size": given.block_size}


def _by_kind(table: _Tables) -> list[_Tables]:
    """Return a table as one for linear layers, which are calibrated, and one for the others."""
    types = table.get("type", [])
    types = [types] if isinstance(types, str) else list(types)
    if "weight" not in table or CALIBRATED not in types or len(types) == 1:
        return [table]
    rest = [kind for kind in types if kind != CALIBRATED]
    others = {**table, "type": rest[0] if len(rest) == 1 else rest, "optional": True}
    return [{**table, "type": CALIBRATED}, others]


def _calibrated(table: _Tables) -> _Tables:
    """Return a table that takes calibrated weights, if it is one of linear layers."""
    if "weight" in table and table.get("type") == CALIBRATED:
        return {**table, "gptq": True}
    return dict(table)
