"""identity: hashes of everything that the decisions of a rotation search depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.sources.token_file import token_digest

from ..checkpoints.fingerprint import code_digest, model_digest, weights_digest
from ..recipe.recipe import Recipe

_DECIDES = ("improvement_eps", "matmul_types", "per_layer")
"""Keys of [rotation_search] that decide; others name places, or the text that tokens come from."""


def identity(model: nn.Module, recipe: Recipe, tokens: Tensor) -> dict[str, str]:
    """Return a hash of each part: recipe, model, tokens, code.

    Args:
        model: as it goes into the search.
        recipe: with [rotation_search].
        tokens: (samples, seqlen) int64.

    Returns:
        SHA-256 in hexadecimal digits, by the part's name.
    """
    return {
        "recipe": _recipe(recipe),
        "model": _digest([model_digest(model), weights_digest(model)]),
        "tokens": token_digest(tokens),
        "code": _digest([code_digest(), torch.__version__]),
    }


def _recipe(recipe: Recipe) -> str:
    search, tables = recipe.rotation_search, dict(recipe.tables)
    tables.pop("distill", None)  # comes after the search
    tables["rotation_search"] = [getattr(search, key) for key in _DECIDES]
    if "gptq" in tables:  # comes after the search; here weights are rounded to nearest
        tables["gptq"] = tables["gptq"]["weight_config"]
    return _digest(tables)


def _digest(value: Mapping[str, Any] | list[Any]) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()
