"""Checkpoints of a calibration: one file a layer, trusted only where all in it is as it should be.

`checkpoint_dir` holds a folder for each fingerprint, so that no run spoils what another has done:

    <checkpoint_dir>/<16 digits>/manifest.json           what decided the bits
    <checkpoint_dir>/<16 digits>/layer_0003.safetensors  codes, scales, offsets and records
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError, Mx

from ..stored_weight import StoredWeight
from ..weight_record import WeightRecord
from .settings import Fingerprint, digest

Layer = tuple[dict[str, MxTensor], dict[str, list[WeightRecord]]]
"""Calibrated weights of a layer and their records, by the modules' names in the model."""


class Checkpoints:
    """The files of one calibration.

    Attributes:
        folder: where they lie.
        notes: what was found that cannot be used, and why.
    """

    def __init__(self, root: Path, fingerprint: Fingerprint) -> None:
        """Open the folder of a fingerprint, and make it where there is none.

        Raises:
            FormatError: it cannot be written.
        """
        self.key, self.notes = fingerprint.key, list[str]()
        self.folder = root / self.key[:16]
        try:
            others = sorted(root.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
            fresh = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
            if fresh and others:
                self.notes.append(_changed(others[-1], fingerprint))
            text = json.dumps(dict(fingerprint.parts), indent=2, ensure_ascii=False)
            _replace(self.folder / "manifest.json", text.encode())
        except OSError as error:
            raise FormatError(
                f"[gptq] checkpoint_dir {str(root)!r} cannot be written: {error.strerror}; give "
                "another folder or leave the key away"
            ) from None

    def load(self, index: int, formats: Mapping[str, tuple[torch.Size, Mx, int]]) -> Layer | None:
        """Return a layer that a run has finished, None where there is none that can be used.

        Args:
            index: of the layer.
            formats: shape, format and axis of the blocks of each weight that has to be in it.
        """
        path = self._path(index)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get("plena", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            self.notes.append(f"layer {index} is calibrated again: {path.name} is broken ({error})")
            return None
        reason = self._mismatch(about, tensors, formats)
        if reason:
            self.notes.append(f"layer {index} is calibrated again: {path.name} {reason}")
            return None
        weights = {
            name: _unpack(tensors[f"{name}:codes"], tensors[f"{name}:scales"], *formats[name])
            for name in formats
        }
        records = {
            name: [WeightRecord(**record) for record in about["records"][name]] for name in formats
        }
        return weights, records

    def save(self, index: int, layer: Layer) -> None:
        """Write a finished layer: the whole file, or none of it."""
        tensors: dict[str, Tensor] = {}
        for name, weight in layer[0].items():
            packed = _packed(weight)
            tensors |= {f"{name}:{part}": tensor for part, tensor in packed.items()}
        about = {
            "key": self.key,
            "sha256": _digest(tensors),
            "records": {name: [asdict(one) for one in found] for name, found in layer[1].items()},
        }
        path = self._path(index)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            save_file(tensors, scratch, metadata={"plena": json.dumps(about)})
            with scratch.open("rb") as file:
                os.fsync(file.fileno())
            scratch.replace(path)
        except (OSError, SafetensorError) as error:
            raise FormatError(f"cannot write checkpoint {path}: {error}") from None
        finally:
            scratch.unlink(missing_ok=True)

    def _path(self, index: int) -> Path:
        return self.folder / f"layer_{index:04d}.safetensors"

    def _mismatch(
        self,
        about: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        formats: Mapping[str, tuple[torch.Size, Mx, int]],
    ) -> str:
        if about.get("key") != self.key:
            return "belongs to another calibration"
        if {name.rpartition(":")[0] for name in tensors} != set(formats):
            return "holds other weights"
        if about.get("sha256") != _digest(tensors):
            return "was damaged (its sha256 differs)"
        return ""


def _packed(weight: MxTensor) -> dict[str, Tensor]:
    stored = StoredWeight.of(weight)
    return {name: tensor.cpu() for name, tensor in stored.pack().items()}


def _unpack(codes: Tensor, scales: Tensor, shape: torch.Size, mx: Mx, axis: int) -> MxTensor:
    stored = StoredWeight.empty(torch.empty(shape, device="meta"), mx, axis=axis)
    values, unpacked = stored._decode(codes, scales)
    return MxTensor(values=values, scales=unpacked, mx=mx, axis=axis)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    return digest(
        torch.cat([tensors[name].flatten().view(torch.uint8) for name in sorted(tensors)])
    )


def _changed(manifest: Path, fingerprint: Fingerprint) -> str:
    try:
        before = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{manifest} is broken; nothing of that calibration is used"
    names = ", ".join(fingerprint.differences(before))
    return f"calibrating anew: {names} differ from those of {manifest.parent}, which stays"


def _replace(path: Path, data: bytes) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.tmp")
    scratch.write_bytes(data)
    scratch.replace(path)
