"""with_gptq: the selectors of a recipe whose weights [gptq] calibrates, and that table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.golden.formats import as_minifloat

from .quantization.config.algorithms import GPTQConfig

CALIBRATED = "Linear"
"""The class of modules of which weights are calibrated."""

_Tables = dict[str, Any]
_Selectors = dict[str, list[_Tables]]
_WEIGHT = "weight_"
_ROLES = ("weight", "data_in", "bias")


def with_gptq(
    selectors: Mapping[str, list[_Tables]], given: GPTQConfig, model_name: str | None
) -> tuple[_Tables, _Selectors, list[str]]:
    """Return [gptq], the selectors in the family that it calibrates, and what neither says.

    Args:
        selectors: of the family spec, by name.
        given: the algorithm.
        model_name: the model to calibrate, which Quark is given elsewhere.

    Raises:
        FormatError: no model, or a weight, or an input beside it, that is no MX format along the
            contraction; or weights of several formats.
    """
    if model_name is None:
        raise FormatError("gptq: [gptq] names the model that it calibrates; give it by --model")
    made = {
        name: [_in_mx(one, f"selector {name!r}") for table in tables for one in _by_kind(table)]
        for name, tables in selectors.items()
    }
    weights: dict[str, tuple[str, _Tables]] = {}
    for table in (table for tables in made.values() for table in tables if "gptq" in table):
        config = {key: table[key] for key in table if key.startswith(_WEIGHT)}
        weights[str(config)] = (table["name"], config)
    if len(weights) != 1:
        raise FormatError(
            f"gptq: [gptq] calibrates weights of one format; here are {len(weights)}: "
            f"{'; '.join(weights) or 'none'}"
        )
    ((family, weight),) = weights.values()
    calibration = {
        "model_name": model_name,
        "format": family,
        "damp_percent": float(given.damp_percent),
        "desc_act": given.desc_act,
        "quantile_search": False,
        "scale_neighbours": 0,
        "weight_config": weight,
    }
    notes = ["block_size is not read: columns are worked on one after the other"]
    if given.static_groups:
        notes.append("static_groups: a block's scale follows from its columns when it is reached")
    if given.inside_layer_modules:
        notes.append("inside_layer_modules is not read: all linear layers are calibrated")
    return calibration, made, notes


def _by_kind(table: _Tables) -> list[_Tables]:
    """Return a table as one for linear layers, which are calibrated, and one for the others."""
    types = table.get("type", [])
    types = [types] if isinstance(types, str) else list(types)
    if "weight" not in table or CALIBRATED not in types or len(types) == 1:
        return [table]
    rest = [kind for kind in types if kind != CALIBRATED]
    others = {**table, "type": rest[0] if len(rest) == 1 else rest, "optional": True}
    return [{**table, "type": CALIBRATED}, others]


def _in_mx(table: _Tables, where: str) -> _Tables:
    """Return a table of the family spec in the words of mxint and mxfp."""
    if table.get("bypass"):
        return dict(table)
    made: _Tables = {key: table[key] for key in ("type", "optional") if key in table}
    families = []
    for role in table:
        if role in ("name", *made):
            continue
        stage = table[role]
        element = stage["element"] if isinstance(stage, dict) else "a chain"
        found = re.fullmatch(r"mx(?:int(\d)|fp\d_(e\dm\d))", element)
        if role not in _ROLES or found is None or stage["axis"] != -1:
            raise FormatError(
                f"gptq: {where}: {role}: [gptq] goes with MX formats along the last axis, such as "
                f"OCP_MXFP4Spec; got {element}. Take another algorithm, or leave {role} out"
            )
        made[f"{role}_block_size"] = stage["group_size"]
        if found[1]:
            made[f"{role}_width"] = int(found[1])
        else:
            fmt = as_minifloat(found[2])
            made[f"{role}_exponent_width"] = fmt.exp_bits
            made[f"{role}_frac_width"] = fmt.man_bits
        made[f"{role}_scale_rule"] = stage["scale_rule"]
        families.append("mxint" if found[1] else "mxfp")
    if "weight" in table and table.get("type") == CALIBRATED:
        made["gptq"] = True
    return {"name": families[0], **made}
