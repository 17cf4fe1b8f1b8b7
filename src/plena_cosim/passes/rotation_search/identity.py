"""identity: hashes of everything that the decisions of a rotation search depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim import fakequant, golden
from plena_cosim.sources.token_file import token_digest

from ..fingerprint import weights_digest
from ..quant_config import PassArgs

_DECIDES = ("improvement_eps", "matmul_types", "per_layer")
"""Keys of [rotation_search] that decide; others name places, or the text that tokens come from."""


def identity(model: nn.Module, recipe: PassArgs, tokens: Tensor) -> dict[str, str]:
    """Return a hash of each part: recipe, model, tokens, code."""
    return {
        "recipe": _recipe(recipe),
        "model": _model(model),
        "tokens": token_digest(tokens),
        "code": _code(),
    }


def _recipe(recipe: PassArgs) -> str:
    search, tables = recipe.rotation_search, dict(recipe.tables)
    tables.pop("distill", None)  # comes after the search
    tables["rotation_search"] = [getattr(search, key) for key in _DECIDES]
    if "gptq" in tables:  # comes after the search; here weights are rounded to nearest
        tables["gptq"] = tables["gptq"]["weight_config"]
    return _digest(tables)


def _model(model: nn.Module) -> str:
    """Return a hash of a model's class, configuration and weights."""
    config: Any = getattr(model, "config", None)
    about = config.to_dict() if hasattr(config, "to_dict") else None
    return _digest([type(model).__qualname__, about, weights_digest(model)])


def _code() -> str:
    """Return a hash of the sources that compute, and of torch's version."""
    found = hashlib.sha256(torch.__version__.encode())
    packages = [Path(str(package.__file__)).parent for package in (fakequant, golden)]
    for place in (Path(__file__).parents[1], *packages):
        for file in sorted(place.rglob("*.py")):
            found.update(str(file.relative_to(place)).encode())
            found.update(file.read_bytes())
    return found.hexdigest()


def _digest(value: Mapping[str, Any] | list[Any]) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()
