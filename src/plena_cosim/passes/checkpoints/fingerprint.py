"""Fingerprint: everything that decides the bits which a long run leaves behind."""

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
from plena_cosim import fakequant, golden
from plena_cosim.ground.record import versions

_PASSES = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Everything that decides the bits.

    Attributes:
        parts: by name, fit for JSON.
    """

    parts: Mapping[str, Any]

    @classmethod
    def of(cls, model: nn.Module, tables: Mapping[str, Any], tokens: Tensor) -> Fingerprint:
        """Return that of a run.

        Args:
            model: as the run finds it.
            tables: of the recipe, as far as they matter.
            tokens: the run's data.
        """
        return cls(
            parts={
                "recipe": dict(tables),
                "model": model_digest(model),
                "weights": weights_digest(model),
                "tokens": digest(tokens),
                "code": f"{plena_cosim.__version__} {code_digest()}",
                "torch": torch.__version__,
                **_kernels(),
            }
        )

    @property
    def key(self) -> str:
        """One hash of all parts."""
        text = json.dumps(self.parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return the names of what differs, down to the recipe's tables and their keys."""
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


def _kernels() -> dict[str, str]:
    """Return packages whose kernels compute on the GPU of this machine, if there are any."""
    if not torch.cuda.is_available():
        return {}
    name = "fast-hadamard-transform"
    version = versions([name])[name]
    return {} if version == "not installed" else {name: version}


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


def model_digest(model: nn.Module) -> str:
    """Return a hash of a model's class and configuration."""
    config: Any = getattr(model, "config", None)
    about = config.to_dict() if hasattr(config, "to_dict") else {}
    about = {key: value for key, value in about.items() if not key.startswith("_")}
    text = json.dumps([type(model).__qualname__, about], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return a hash of the sources that decide bits: golden, fakequant and the passes."""
    found = hashlib.sha256()
    packages = [Path(str(package.__file__)).parent for package in (fakequant, golden)]
    for place in (_PASSES, *packages):
        for path in sorted(place.rglob("*.py")):
            found.update(str(path.relative_to(place)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()
