"""Fingerprint: everything that decides the bits which a long run leaves behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import plena_cosim


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Everything that decides the bits.

    Attributes:
        parts: by name, fit for JSON.
    """

    parts: Mapping[str, Any]

    @classmethod
    def of(
        cls, model: nn.Module, tables: Mapping[str, Any], tokens: Tensor, *, code: Sequence[Path]
    ) -> Fingerprint:
        """Return that of a run.

        Args:
            model: as the run finds it.
            tables: of the recipe, as far as they matter.
            tokens: the run's data.
            code: folders of the sources that decide the bits; those of fakequant always do.
        """
        return cls(
            parts={
                "recipe": dict(tables),
                "weights": weights_digest(model),
                "tokens": digest(tokens),
                "code": f"{plena_cosim.__version__} {_code_digest(tuple(code))}",
                "torch": torch.__version__,
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


@lru_cache(maxsize=4)
def _code_digest(folders: tuple[Path, ...]) -> str:
    """Return a hash of the sources that decide the bits."""
    found = hashlib.sha256()
    for folder in (*folders, Path(__file__).parents[1] / "fakequant"):
        for path in sorted(folder.glob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]
