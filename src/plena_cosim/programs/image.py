"""Tensors in HBM: where each lies, and the bytes of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..golden import FormatError, Mx, MxArray
from ..golden.isa.machine import Machine, Type
from ..golden.isa.transfer import pack, unpack, width_bits

Array = npt.NDArray[Any]

_LINE = 64
"""Bytes; every tensor begins at a multiple."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A matrix in HBM, padded with zeros to whole transfers.

    Attributes:
        name: for listings and messages.
        base: address of its elements.
        scale: from there to its scales; 0 without.
        rows, columns: as they are meant.
        stored_rows, stored_columns: as they are stored.
        type: its format.
    """

    name: str
    base: int
    scale: int
    rows: int
    columns: int
    stored_rows: int
    stored_columns: int
    type: Type

    @property
    def row_bytes(self) -> int:
        """From a row to the next."""
        return self.stored_columns * width_bits(self.type) // 8

    @property
    def size(self) -> int:
        """Bytes of the elements."""
        return self.stored_rows * self.row_bytes


class Image:
    """The HBM of a program.

    Args:
        machine: whose transfers tensors are padded for.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.tensors: dict[str, Tensor] = {}
        self.end = 0
        self._parts: list[tuple[int, Array]] = []

    def matrix(self, name: str, codes: Array | None, shape: tuple[int, int]) -> Tensor:
        """Add a matrix of codes of V, padded to whole transfers of rows; zeros for None.

        Args:
            name: no other tensor has.
            codes: (rows, columns).
            shape: rows and columns.

        Returns:
            Where it lies.

        Raises:
            FormatError: a name that is taken, or no room.
        """
        step = max(self.machine.prefetch_rows, self.machine.store_rows)
        vlen, v = self.machine.hardware.vlen, self.machine.hardware.vector_format
        stored = -(-shape[0] // step) * step, -(-shape[1] // vlen) * vlen
        tensor = self._add(name, shape, stored, v, 0)
        if codes is not None:
            padded = np.zeros(stored, codes.dtype)
            padded[: shape[0], : shape[1]] = codes
            self._parts.append((tensor.base, pack(padded.reshape(-1), v.width_bits)))
        return tensor

    def weight(self, name: str, quantised: MxArray) -> Tensor:
        """Add a matrix with blocks along its rows, padded to whole tiles.

        Args:
            name: no other tensor has.
            quantised: (out, in), in the machine's type of weights.

        Raises:
            FormatError: another format, or blocks that run the other way.
        """
        mx, mlen = self.machine.weight, self.machine.hardware.mlen
        if quantised.mx != mx or quantised.axis != 1:
            raise FormatError(
                f"{name}: need (out, in) in {mx.name} with blocks along the inputs; got "
                f"{quantised.mx.name} along axis {quantised.axis}"
            )
        assert isinstance(mx, Mx)
        rows, columns = quantised.shape
        stored = -(-rows // mlen) * mlen, -(-columns // mlen) * mlen
        blocks = stored[1] // mx.block_size
        tensor = self._add(name, (rows, columns), stored, mx, stored[0] * blocks)
        codes = np.zeros(stored, quantised.codes.dtype)
        codes[:rows, :columns] = quantised.codes
        scales = np.zeros((stored[0], blocks), np.uint8)
        scales[:rows, : quantised.scales.shape[1]] = quantised.scales
        self._parts.append((tensor.base, pack(codes.reshape(-1), mx.element.width_bits)))
        self._parts.append((tensor.base + tensor.scale, scales.reshape(-1)))
        return tensor

    def _add(
        self, name: str, shape: tuple[int, int], stored: tuple[int, int], type_: Type, scales: int
    ) -> Tensor:
        if name in self.tensors:
            raise FormatError(f"two tensors are named {name!r}")
        size = stored[0] * stored[1] * width_bits(type_) // 8
        room = -(-size // _LINE) * _LINE
        tensor = Tensor(
            name=name,
            base=self.end,
            scale=room if scales else 0,
            rows=shape[0],
            columns=shape[1],
            stored_rows=stored[0],
            stored_columns=stored[1],
            type=type_,
        )
        self.end += room + -(-scales // _LINE) * _LINE
        hbm = self.machine.memories.hbm_bytes
        if self.end > hbm:
            raise FormatError(f"{name} ends at byte {self.end} of HBM, which has {hbm}")
        self.tensors[name] = tensor
        return tensor

    def bytes(self) -> Array:
        """Return the memory up to the last tensor's end."""
        memory = np.zeros(self.end, np.uint8)
        for start, data in self._parts:
            memory[start : start + data.size] = data
        return memory

    def read(self, tensor: Tensor, hbm: Array) -> Array:
        """Return a matrix of codes of V, (rows, columns), without its padding.

        Args:
            tensor: of this image.
            hbm: a memory after a run.
        """
        data = hbm[tensor.base : tensor.base + tensor.size]
        codes = unpack(data, width_bits(tensor.type))
        shaped = codes.reshape(tensor.stored_rows, tensor.stored_columns)
        return shaped[: tensor.rows, : tensor.columns]
