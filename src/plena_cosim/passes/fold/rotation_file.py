"""read_rotations: trained rotations R1 and R2 from a file, as SpinQuant and Quark write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from plena_cosim.golden import FormatError

LIMIT = 0.01
"""How far R^T R may be from the identity, in any element: bfloat16's rounding is within."""


@dataclass(frozen=True, kw_only=True)
class TrainedRotations:
    """Orthonormal matrices, float64.

    Attributes:
        path: the file, for messages.
        r1: of the hidden states; None where the file has none.
        r2: of the values of a head, by the number of the layer.
    """

    path: Path
    r1: Tensor | None = None
    r2: Mapping[int, Tensor] = field(default_factory=dict)

    def stream(self, hidden: int) -> Tensor:
        """Return R1 for so many hidden channels; FormatError where it is not there or not that."""
        if self.r1 is None:
            raise FormatError(f"{self.path}: has no R1; take r1 = false, or leave matrices out")
        return self._of_order(self.r1, hidden, "R1")

    def values(self, layer: int, head_dim: int) -> Tensor:
        """Return R2 of a layer for heads of such a width; FormatError as `stream`."""
        if layer not in self.r2:
            has = ", ".join(map(str, sorted(self.r2))) or "none"
            raise FormatError(
                f"{self.path}: has no R2 of layer {layer}, of layers {has}; take r2 = false, or "
                "leave matrices out"
            )
        return self._of_order(self.r2[layer], head_dim, f"R2 of layer {layer}")

    def _of_order(self, matrix: Tensor, order: int, what: str) -> Tensor:
        if len(matrix) != order:
            raise FormatError(
                f"{self.path}: {what} is {tuple(matrix.shape)}, and the model rotates {order} "
                "channels; the file is another model's"
            )
        return matrix


def read_rotations(path: str | Path) -> TrainedRotations:
    """Return the rotations of a file.

    A matrix that is orthonormal up to the rounding of its dtype becomes the orthonormal one that is
    nearest to it, so that folding keeps the model's function.

    Args:
        path: a file of torch.save or safetensors with the tensors `R1`, (hidden, hidden), and
            `….<layer>….R2`, (head_dim, head_dim); x becomes x R.

    Raises:
        FormatError: no such file, nothing or something else in it, or a matrix that is not
            orthonormal.
    """
    path = Path(path)
    r1: Tensor | None = None
    r2: dict[int, Tensor] = {}
    for name, tensor in _tensors(path).items():
        layer = re.search(r"(?:^|\.)(\d+)\.(?:.*\.)?R2$", name)
        if name == "R1" or name.endswith(".R1"):
            r1 = _orthonormal(tensor, f"{path}: {name}")
        elif layer is not None:
            r2[int(layer[1])] = _orthonormal(tensor, f"{path}: {name}")
        else:
            raise FormatError(f"{path}: holds {name!r}; known: R1 and ….<layer>….R2")
    if r1 is None and not r2:
        raise FormatError(f"{path}: holds no rotation; known: R1 and ….<layer>….R2")
    return TrainedRotations(path=path, r1=r1, r2=r2)


def _tensors(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FormatError(f"[rotation] matrices: {path} does not exist, or is no file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise FormatError(f"{path}: cannot be read as tensors: {error}") from None
    except Exception as error:  # what torch's unpickler makes of any bytes
        raise FormatError(f"{path}: cannot be read as tensors: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise FormatError(f"{path}: holds a {type(found).__name__}; need tensors by name")
    return found


def _orthonormal(given: Any, where: str) -> Tensor:
    if not isinstance(given, Tensor) or given.ndim != 2 or given.shape[0] != given.shape[1]:
        shape = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise FormatError(f"{where}: need a square matrix, got {shape}")
    matrix = given.detach().double()
    off = (matrix.T @ matrix - torch.eye(len(matrix), dtype=torch.float64)).abs().max()
    if not float(off) <= LIMIT:
        raise FormatError(
            f"{where}: is no rotation: an element of R^T R is {float(off):.3g} off the identity, "
            f"allowed: {LIMIT}"
        )
    left, _, right = torch.linalg.svd(matrix)
    nearest: Tensor = left @ right
    return nearest
