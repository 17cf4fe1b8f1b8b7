"""RtlBackend: computes a model's operations in Verilated blocks and compares each with torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.fakequant.backend import backend, computed_by
from plena_cosim.fakequant.cast import native_dtype
from plena_cosim.golden import HardwareConfig, decode
from plena_cosim.passes.weights.element_codes import block_codes, block_values
from plena_cosim.sim.player.player import ProtocolError

from . import difference
from .block_operations import Answer, BlockOperations, MxAnswer
from .codes import CodeArray, to_codes, to_values
from .errors import CosimMismatchError
from .machine_blocks import BlockRun, MachineBlocks, Work
from .selection import Selection
from .verified import Verified
from .where import ModelSums, Where

_MOVES = ("reduce_rows",)


@dataclass(kw_only=True)
class Row:
    """What became of one kind of operation in one module.

    Attributes:
        calls: of the operation.
        codes: that were compared.
        known: calls that were compared before, with the same inputs and RTL.
        work: of all blocks.
        matrix: of the matrix unit alone.
    """

    calls: int = 0
    codes: int = 0
    known: int = 0
    work: Work = field(default_factory=Work)
    matrix: Work = field(default_factory=Work)


@dataclass(kw_only=True)
class RtlBackend:
    """Operations of a model in blocks, lock-step with exact torch.

    What the blocks give is what the model goes on with; torch computes each operation too, from
    the same operands, and every code is compared.

    Attributes:
        hw: the machine.
        blocks: built and counted.
        selection: what runs in blocks.
        folder: where a difference goes.
        verified: what was compared before; None: everything is compared now.
        rows: by module, part and operation.
        in_torch: calls that torch computed, by module, part and operation.
        progress: told of each module that begins.
        phase: "prefill", "decode 3" or "window", for messages.
        tap: is given every run of a block with the name of the module, once it was equal; of a
            product one tile.
    """

    hw: HardwareConfig
    blocks: MachineBlocks
    selection: Selection
    folder: Path
    verified: Verified | None = None
    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    in_torch: dict[tuple[str, str, str], int] = field(default_factory=dict)
    by_block: dict[str, Work] = field(default_factory=dict)
    where: Where = field(default_factory=Where)
    progress: Callable[[str], None] | None = None
    phase: str = "prefill"
    tap: Callable[[BlockRun, str], None] | None = None

    def __post_init__(self) -> None:
        self.operations = BlockOperations(self.blocks, self.hw)

    @contextmanager
    def running(self, model: nn.Module) -> Iterator[None]:
        """Compute a model's operations within."""
        dtype = native_dtype(self.hw.vector_format)
        sums = None if dtype is None else ModelSums(self.model_sum, dtype, self.where)
        (self.folder / difference.RECORD).unlink(missing_ok=True)  # of an earlier run
        with self.blocks.at_work(), self.where.following(model), computed_by(self):
            if sums is None:
                yield
                return
            with sums:
                yield

    def compute(self, exact: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Compute one operation in blocks and by torch, and compare them; see `Backend`.

        Args:
            exact: the operation by torch.
            *args, **kwargs: of the call.

        Returns:
            What the blocks gave, as values.

        Raises:
            CosimMismatchError: they differ.
        """
        name = exact.__name__
        method = getattr(self.operations, name, None)
        place = (self.where.module, self.where.part, name)
        if method is None or not self.selection.takes(name, place[1], self.where.layer):
            if name not in _MOVES:
                self.in_torch[place] = self.in_torch.get(place, 0) + 1
            return exact(*args, **kwargs)
        return self._compared(place, method, exact, args, kwargs)

    def model_sum(self, name: str, function: Any, a: Tensor, b: Tensor) -> Tensor:
        """Compute a sum or a product of the model's own code in blocks.

        Args:
            name: "add" or "mul".
            function: torch's.
            a, b: values of the vector format in its own dtype.

        Returns:
            What the blocks gave, in the dtype of torch's result.

        Raises:
            CosimMismatchError: torch's result differs.
        """
        if backend() is None:  # within an operation
            result: Tensor = function(a, b)
            return result
        place = (self.where.module, "residual" if name == "add" else "gate · up", name)
        with computed_by(None):
            if not self.selection.takes(name, "residual", self.where.layer):
                self.in_torch[place] = self.in_torch.get(place, 0) + 1
                result = function(a, b)
                return result
            method = getattr(self.operations, name)
            fmt = self.hw.vector_format
            answer: Tensor = self._compared(
                place, lambda *given: method(*given, fmt), function, (a, b), {}
            )
            return answer

    # ------------------------------------------------------------------------------ compare

    def _compared(
        self,
        place: tuple[str, str, str],
        method: Callable[..., Any],
        exact: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        want = exact(*args, **kwargs)
        key = self._key(place, args, kwargs)
        row = self.rows.get(place) or Row()
        known = None if self.verified is None or key is None else self.verified.work(key)
        if known is not None:
            self._count(place, row, want, known, known=True)
            return want
        self.blocks.begin()
        if self.progress is not None:
            self.progress(f"{self.phase}: {place[0]} {place[1]} {place[2]}")
        try:
            answer = method(*args, **kwargs)
        except ProtocolError as error:
            named = dict(zip(("module", "part", "op"), place, strict=True))
            record = {**named, "phase": self.phase, "protocol": str(error)}
            difference.note(record, self.folder / difference.RECORD)
            raise CosimMismatchError(f"{self._words(place)}: {error}") from None
        if answer is None:
            return want
        found = self._checked(place, answer, want)
        if self.tap is not None:
            self._tapped(place, self.tap)
        if self.verified is not None and key is not None:
            self.verified.add(key, self.blocks.work)
        work = {wanted.label: done for wanted, done in self.blocks.work.items()}
        self._count(place, row, want, work, known=False)
        self.blocks.begin()
        return found

    def _tapped(self, place: tuple[str, str, str], tap: Callable[[BlockRun, str], None]) -> None:
        runs = list(self.blocks.runs)
        if place[2] == "matmul" and (tile := self.operations.product_run(0, 0, 0)) is not None:
            runs.append(tile)
        for run in runs:
            tap(run, place[0])

    def _key(
        self, place: tuple[str, str, str], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> str | None:
        if self.verified is None:
            return None
        tensors = [value for value in kwargs.values() if isinstance(value, Tensor)]
        plain = [item for item in sorted(kwargs.items()) if not isinstance(item[1], Tensor)]
        settings = [repr(each) for each in (self.hw, self.blocks.vlen, plain)]
        return self.verified.key(place[2], settings, [*args, *tensors])

    def _count(
        self,
        place: tuple[str, str, str],
        row: Row,
        want: Any,
        work: dict[str, Work],
        *,
        known: bool,
    ) -> None:
        self.rows[place] = row
        row.calls += 1
        row.known += known
        row.codes += (
            want.values.numel() + want.scales.numel()
            if isinstance(want, MxTensor)
            else want.numel()
        )
        for label, done in work.items():
            row.work.add(done)
            if label.startswith("mx_mm["):
                row.matrix.add(done)
            self.by_block.setdefault(label, Work()).add(done)

    def _checked(self, place: tuple[str, str, str], answer: Any, want: Any) -> Any:
        """Return the answer as values; CosimMismatchError where torch's codes are others."""
        if isinstance(answer, MxAnswer):
            assert isinstance(want, MxTensor)
            scales = want.scales.numpy()
            codes = block_codes(want.values, want.scales, want.mx, want.axis).numpy()
            for what, got, wanted in (
                ("scale", answer.scales, scales),
                ("element", answer.codes, codes),
            ):
                if not np.array_equal(got, wanted):
                    self._differs(place, what, got, wanted, None)
            given = [
                torch.from_numpy(np.ascontiguousarray(each, np.uint8 if k else np.int32))
                for k, each in enumerate((answer.codes, answer.scales))
            ]
            values = block_values(given[0], given[1], answer.mx, answer.axis)
            return MxTensor(
                values=values.to(want.values.dtype),
                scales=given[1],
                mx=want.mx,
                axis=want.axis,
            )
        assert isinstance(answer, Answer)
        assert isinstance(want, Tensor)
        wanted = to_codes(want, answer.fmt)
        got = answer.codes.reshape(want.shape).astype(wanted.dtype)
        if not np.array_equal(got, wanted):
            self._differs(place, "code", got, wanted, answer.fmt)
        return to_values(got, answer.fmt).to(want.dtype).reshape(want.shape)

    def _differs(
        self, place: tuple[str, str, str], what: str, got: CodeArray, want: CodeArray, fmt: Any
    ) -> None:
        """Raise CosimMismatchError with the place of the first difference and its replay."""
        index = tuple(int(i) for i in np.argwhere(got != want)[0])
        shown = [
            f"{int(side[index]):#x}"
            + (f" ({float(decode([int(side[index])], fmt)[0]):.9g})" if fmt is not None else "")
            for side in (got, want)
        ]
        tile, runs = "", self.blocks.runs
        if place[2] == "matmul":
            batch, row, col = _in_product(index, want.shape, self.operations)
            edge = self.hw.blen
            tile = f" tile ({row // edge}, {col // edge})" + (
                f" of matrix {batch}" if batch else ""
            )
            one = self.operations.product_run(batch, row, col)
            runs = [] if one is None else [one]
        count = int((got != want).sum())
        line = (
            f"{self._words(place)}:{tile} {what} {list(index)} of {list(want.shape)}: "
            f"rtl {shown[0]}, exact {shown[1]} ({count} of {want.size} differ)"
        )
        found = difference.find_block(runs)
        record: dict[str, Any] = {
            "module": place[0],
            "part": place[1],
            "op": place[2],
            "phase": self.phase,
            "index": list(index),
            "rtl": shown[0],
            "exact": shown[1],
            "differ": count,
        }
        stem = "-".join(filter(None, (place[0], place[1], place[2]))).replace(" ", "")
        if found is None:
            line += "\nevery block agrees with golden on these beats: torch and golden differ"
        else:
            path = difference.save_beats(found.wanted, found.beats, self.folder / f"{stem}.npz")
            waveform = path.with_suffix(".vcd")
            difference.write_waveform(
                found.wanted, found.beats, waveform, rtl_dir=self.blocks.rtl_dir
            )
            command = difference.replay_command(path, self.blocks.rtl_dir)
            line += f"\n{found.line()}\nreplay: {command}\nwaveform: {waveform}"
            record |= {
                "block": found.wanted.name,
                "block_line": found.line(),
                "replay": command,
                "waveform": str(waveform),
            }
        difference.note(record, self.folder / difference.RECORD)
        raise CosimMismatchError(line)

    def _words(self, place: tuple[str, str, str]) -> str:
        module, part, op = place
        of = f" ({part})" if part not in ("", op) else ""
        return f"{self.phase}: {module or 'the model'}: {op}{of}"


def _in_product(
    index: tuple[int, ...], shape: tuple[int, ...], operations: BlockOperations
) -> tuple[int, int, int]:
    """Return matrix, row and column of an element of the last product."""
    assert operations.last_product is not None
    product = operations.last_product[1]
    flat = int(np.ravel_multi_index(index, shape))
    rows, cols = product.a.rows, product.b.rows
    return flat // (rows * cols), flat // cols % rows, flat % cols
