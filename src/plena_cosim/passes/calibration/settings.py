"""What decides the outcome of a calibration, and what of it a hash has to know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import plena_cosim

from ..calibration_tables import GptqTable
from ..recipe import PassArgs
from .block_scale import ScaleSearch

_NO_MATTER = ("checkpoint_dir", "device", "model_name", "max_layers")


def scale_search(table: GptqTable) -> ScaleSearch:
    """Return how a recipe chooses scales."""
    return ScaleSearch(
        quantiles=tuple(table.quantiles) if table.quantile_search else (),
        neighbours=table.scale_neighbours,
        by_output=table.clip_search_y,
    )


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Everything that decides the bits of calibrated weights.

    Attributes:
        parts: by name, fit for JSON.
    """

    parts: Mapping[str, Any]

    @classmethod
    def of(cls, model: nn.Module, recipe: PassArgs, tokens: Tensor) -> Fingerprint:
        """Return that of a calibration: recipe, weights, data and code."""
        assert recipe.gptq is not None
        tables = {key: value for key, value in recipe.tables.items() if key != "rotation_search"}
        tables["gptq"] = recipe.gptq.model_dump(mode="json", exclude=set(_NO_MATTER))
        return cls(
            parts={
                "recipe": tables,
                "weights": weights_digest(model),
                "tokens": digest(tokens),
                "code": f"{plena_cosim.__version__} {_code_digest()}",
                "torch": torch.__version__,
            }
        )

    @property
    def key(self) -> str:
        """One hash of all parts."""
        text = json.dumps(self.parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return the names of what differs, down to the recipe's tables and the keys of [gptq]."""
        return _differences(self.parts, other, "")


def _differences(mine: Any, other: Any, name: str) -> list[str]:
    if mine == other:
        return []
    if not isinstance(mine, Mapping) or not isinstance(other, Mapping) or name.count(".") == 2:
        return [name]
    found = []
    for key in sorted(set(mine) | set(other)):
        inner = f"{name}.{key}" if name else key
        found += _differences(mine.get(key), other.get(key), inner)
    return found


def weights_digest(model: nn.Module) -> str:
    """Return a hash of all parameters and buffers of a model: names, shapes, dtypes and bits."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {digest(tensor)}\n".encode())
    return found.hexdigest()


def digest(tensor: Tensor) -> str:
    """Return a hash of a tensor's shape, dtype and bits."""
    values = tensor.detach().cpu().contiguous()
    found = hashlib.sha256(f"{tuple(values.shape)} {values.dtype}\n".encode())
    found.update(values.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Return a hash of the sources that decide the bits."""
    found = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(__file__).parents[2] / "fakequant"):
        for path in sorted(folder.glob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]
