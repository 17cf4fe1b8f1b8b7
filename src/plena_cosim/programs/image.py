"""Tensors in HBM: where each lies, and the bytes of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..golden import FormatError, Minifloat, Mx, MxArray
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
        number: of the type, on the machine.
    """

    name: str
    base: int
    scale: int
    rows: int
    columns: int
    stored_rows: int
    stored_columns: int
    type: Type
    number: int

    @property
    def row_bytes(self) -> int:
        """From a row to the next."""
        return self.stored_columns * width_bits(self.type) // 8

    @property
    def size(self) -> int:
        """Bytes of the elements."""
        return self.stored_rows * self.row_bytes

    def row_base(self, row: int) -> int:
        """Return the address of a row."""
        return self.base + row * self.row_bytes

    def row_scale(self, row: int) -> int:
        """Return the bytes from a row to its scales: SCALE, for transfers that begin there."""
        assert isinstance(self.type, Mx)
        block = self.type.element.width_bits * self.type.block_size // 8
        passed = row * self.row_bytes
        return self.scale + passed // block - passed


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

    def number(self, type_: Type, *, role: str = "cache") -> int:
        """Return the number of a type on the machine.

        Args:
            type_: a format.
            role: "weight" of tiles, "activation" of rows, "cache" for both.

        Raises:
            FormatError: the machine does not have it.
        """
        types = self.machine.types(weights=role == "weight")
        first = 1 if role == "cache" else 0  # type 0 is not the same for tiles and for rows
        if type_ not in types[first:]:
            blocks = f" in blocks of {type_.block_size}" if isinstance(type_, Mx) else ""
            raise FormatError(
                f"the machine has no type {type_.name}{blocks} for a {role}: name it in its table "
                "[types]"
            )
        return types.index(type_, first)

    def matrix(
        self,
        name: str,
        codes: Array | None,
        shape: tuple[int, int],
        *,
        type_: Minifloat | None = None,
    ) -> Tensor:
        """Add a matrix of codes, padded to whole transfers of rows; zeros for None.

        Args:
            name: no other tensor has.
            codes: (rows, columns).
            shape: rows and columns.
            type_: a scalar format of the machine; V when None.

        Returns:
            Where it lies.

        Raises:
            FormatError: a name that is taken, or no room.
        """
        step = max(self.machine.prefetch_rows, self.machine.store_rows)
        vlen, v = self.machine.hardware.vlen, self.machine.hardware.vector_format
        stored = -(-shape[0] // step) * step, -(-shape[1] // vlen) * vlen
        fmt = v if type_ is None else type_
        tensor = self._add(name, shape, stored, fmt, self.number(fmt))
        if codes is not None:
            padded = np.zeros(stored, codes.dtype)
            padded[: shape[0], : shape[1]] = codes
            self._parts.append((tensor.base, pack(padded.reshape(-1), fmt.width_bits)))
        return tensor

    def cache(self, name: str, shape: tuple[int, int], type_: Type) -> Tensor:
        """Add room for keys or values, zeros: whole tiles of rows, and a transfer behind them.

        Args:
            name: no other tensor has.
            shape: rows and columns.
            type_: what they are stored as.

        Returns:
            Where it lies.

        Raises:
            FormatError: a name that is taken, no room, or a type that the machine does not have.
        """
        hw = self.machine.hardware
        rows = -(-shape[0] // hw.mlen) * hw.mlen + self.machine.store_rows
        columns = -(-shape[1] // hw.vlen) * hw.vlen
        return self._add(name, shape, (rows, columns), type_, self.number(type_))

    def weight(self, name: str, quantised: MxArray) -> Tensor:
        """Add a matrix with blocks along its rows, padded to whole tiles.

        Args:
            name: no other tensor has.
            quantised: (out, in), in a type of the machine.

        Raises:
            FormatError: a format that the machine does not have, or blocks that run the other way.
        """
        mx = quantised.mx
        if quantised.axis != 1:
            raise FormatError(
                f"{name}: need (out, in) with blocks along the inputs; got axis {quantised.axis}"
            )
        rows, columns = quantised.shape
        tensor = self.weight_room(name, (rows, columns), mx)
        stored = tensor.stored_rows, tensor.stored_columns
        codes = np.zeros(stored, quantised.codes.dtype)
        codes[:rows, :columns] = quantised.codes
        scales = np.zeros((stored[0], stored[1] // mx.block_size), np.uint8)
        scales[:rows, : quantised.scales.shape[1]] = quantised.scales
        self._parts.append((tensor.base, pack(codes.reshape(-1), mx.element.width_bits)))
        self._parts.append((tensor.base + tensor.scale, scales.reshape(-1)))
        return tensor

    def weight_room(self, name: str, shape: tuple[int, int], mx: Mx) -> Tensor:
        """Add room for a matrix with blocks along its rows, zeros, padded to whole tiles.

        Args:
            name: no other tensor has.
            shape: out and in.
            mx: a type of the machine for tiles.

        Returns:
            Where it lies.

        Raises:
            FormatError: a format that the machine does not have, a name that is taken, no room.
        """
        mlen = self.machine.hardware.mlen
        stored = -(-shape[0] // mlen) * mlen, -(-shape[1] // mlen) * mlen
        return self._add(name, shape, stored, mx, self.number(mx, role="weight"))

    def _add(
        self, name: str, shape: tuple[int, int], stored: tuple[int, int], type_: Type, number: int
    ) -> Tensor:
        if name in self.tensors:
            raise FormatError(f"two tensors are named {name!r}")
        elements = stored[0] * stored[1]
        size = elements * width_bits(type_) // 8
        scales = elements // type_.block_size if isinstance(type_, Mx) else 0
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
            number=number,
        )
        end, hbm = self.end + room + -(-scales // _LINE) * _LINE, self.machine.memories.hbm_bytes
        if end > hbm:
            raise FormatError(f"{name} ends at byte {end} of HBM, which has {hbm}")
        self.end = end
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
