"""Checkpoints of a calibration: one file a layer, trusted only where all in it is as it should be.

`checkpoint_dir` holds a folder for each fingerprint, so that no run spoils what another has done:

    <checkpoint_dir>/<16 digits>/manifest.json           what decided the bits
    <checkpoint_dir>/<16 digits>/layer_0003.safetensors  codes, scales, offsets and records
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor

from ..checkpoints.fingerprint import Fingerprint
from ..checkpoints.run_folder import begin_folder, read_tensors, write_tensors
from ..recipe.spec_format import SpecFormat
from ..weights.packed_weight import PackedWeight
from ..weights.spec_tensor import CalibratedWeight, SpecTensor
from ..weights.weight_record import WeightRecord
from .target import StoredAs

Layer = tuple[dict[str, CalibratedWeight], dict[str, list[WeightRecord]]]
"""Calibrated weights of a layer and their records, by the modules' names in the model."""


class Checkpoints:
    """The files of one calibration.

    Attributes:
        folder: where they lie.
        notes: what was found that cannot be used, and why.
    """

    def __init__(self, root: Path, fingerprint: Fingerprint) -> None:
        """Open the folder of a fingerprint, and make it where there is none.

        Args:
            root: checkpoint_dir of the recipe.
            fingerprint: of what decides the bits.

        Raises:
            FormatError: it cannot be written.
        """
        self.key = fingerprint.key
        self.folder, self.notes = begin_folder(root, fingerprint, table="gptq")

    def load(self, index: int, formats: Mapping[str, StoredAs]) -> Layer | None:
        """Return a layer that a run has finished, None where there is none that can be used.

        Args:
            index: of the layer.
            formats: shape, format and axis of the blocks of each weight that has to be in it.
        """
        path = self._path(index)
        if not path.exists():
            return None
        again = f"layer {index} is calibrated again"
        found = read_tensors(path, self.key, self.notes, again)
        if found is None:
            return None
        tensors, about = found
        if {name.rpartition(":")[0] for name in tensors} != set(formats):
            self.notes.append(f"{again}: {path.name} holds other weights")
            return None
        weights = {
            name: _unpack({part: tensors[f"{name}:{part}"] for part in _parts(stored)}, stored)
            for name, stored in formats.items()
        }
        records = {
            name: [WeightRecord(**record) for record in about["records"][name]] for name in formats
        }
        return weights, records

    def save(self, index: int, layer: Layer) -> None:
        """Write a finished layer: the whole file, or none of it.

        Args:
            index: of the layer.
            layer: its weights and records.

        Raises:
            FormatError: it cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        for name, weight in layer[0].items():
            packed = _packed(weight)
            tensors |= {f"{name}:{part}": tensor for part, tensor in packed.items()}
        about = {
            "records": {name: [asdict(one) for one in found] for name, found in layer[1].items()},
        }
        write_tensors(self._path(index), self.key, tensors, about)

    def _path(self, index: int) -> Path:
        return self.folder / f"layer_{index:04d}.safetensors"


def _parts(stored: StoredAs) -> tuple[str, ...]:
    """Return the names of the tensors of a weight."""
    return ("values",) if isinstance(stored[1], SpecFormat) else ("codes", "scales")


def _packed(weight: CalibratedWeight) -> dict[str, Tensor]:
    if isinstance(weight, SpecTensor):
        return {"values": weight.values.cpu()}
    stored = PackedWeight.of(weight)
    return {name: tensor.cpu() for name, tensor in stored.pack().items()}


def _unpack(parts: Mapping[str, Tensor], stored: StoredAs) -> CalibratedWeight:
    shape, fmt, axis = stored
    if isinstance(fmt, SpecFormat):
        return SpecTensor(values=parts["values"], fmt=fmt, axis=axis)
    packed = PackedWeight.empty(torch.empty(shape, device="meta"), fmt, axis=axis)
    values, scales = packed._decode(parts["codes"], parts["scales"])
    return MxTensor(values=values, scales=scales, mx=fmt, axis=axis)
