"""Digests of a saved model: what is read is what was written, or an error says which tensor is not.

They stand in the file as a tensor of bytes, which other readers pass over. (The header would be the
place for them, but safetensors writes its entries in any order, and a model that is saved twice is
to give the same file.) A file without them, of an older release, is read as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from plena_cosim.golden import FormatError

NAME = "plena.digests"
_CONFIG_FIELDS = ("recipe", "numerics", "hardware", "dtype", "version")


def digests(state: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> torch.Tensor:
    """Return the digests of a model, (n,) uint8, to be saved under NAME.

    Args:
        state: all tensors by name; those without data are left out.
        config: the fields of `quantization_config` in config.json.
    """
    tensors = {name: _digest(tensor) for name, tensor in state.items() if not tensor.is_meta}
    known = {"config": _config_digest(config), "tensors": tensors}
    return torch.tensor(list(json.dumps(known, sort_keys=True).encode()), dtype=torch.uint8)


def require_undamaged(files: Iterable[str | Path], config: Mapping[str, Any]) -> None:
    """Compare what files hold with the digests in one of them.

    Args:
        files: of the weights; those that are not safetensors are passed over.
        config: the fields of `quantization_config` in config.json.

    Raises:
        FormatError: a tensor, or the quantisation in config.json, is not what was saved.
    """
    paths = [path for path in map(Path, files) if path.suffix == ".safetensors"]
    known = _known(paths)
    if known is None:
        return
    if known["config"] != _config_digest(config):
        raise FormatError(
            f"{paths[0].parent}: quantization_config in config.json is not the one that the "
            "weights were saved with; take both from one place, or quantise again"
        )
    for path in paths:
        with _opened(path) as file:
            for name in file.keys():  # noqa: SIM118  (it is no mapping)
                wanted = known["tensors"].get(name)
                if wanted is not None and wanted != _digest(file.get_tensor(name)):
                    raise FormatError(
                        f"{path}: {name} is damaged: it is not what was saved; copy the file "
                        "again, or quantise again"
                    )


def _known(paths: Iterable[Path]) -> dict[str, Any] | None:
    """Return the digests that one of the files holds."""
    for path in paths:
        with _opened(path) as file:
            if NAME not in file.keys():  # noqa: SIM118  (it is no mapping)
                continue
            try:
                known = json.loads(bytes(file.get_tensor(NAME).tolist()))
                if isinstance(known["config"], str) and isinstance(known["tensors"], dict):
                    return dict(known)
            except (ValueError, TypeError, KeyError):
                pass
            raise FormatError(f"{path} is damaged: {NAME} is unreadable; copy the file again")
    return None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise FormatError(f"{path} is damaged: {error}; copy the file again") from None


def _digest(tensor: torch.Tensor) -> str:
    """Return the sha256 of dtype, shape and every bit of a tensor."""
    plain = tensor.detach().cpu().contiguous()
    found = hashlib.sha256(f"{plain.dtype} {tuple(plain.shape)} ".encode())
    found.update(plain.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _config_digest(config: Mapping[str, Any]) -> str:
    fields = {name: config.get(name) for name in _CONFIG_FIELDS}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
