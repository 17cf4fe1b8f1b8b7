"""Every exact operation as a sequence of blocks that has its bits: a method an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.fakequant import MxTensor
from plena_cosim.fakequant.constant import reciprocal_value, rsqrt_value
from plena_cosim.fakequant.operands import selection
from plena_cosim.golden import HardwareConfig, Minifloat, Mx, Overflow, Rounding, Scalar, encode
from plena_cosim.golden.formats import as_minifloat, as_mx, as_scalar
from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import require_hadamard_size
from plena_cosim.golden.ops.rope import checked_stride
from plena_cosim.golden.ops.sign import neg

from .codes import CodeArray, are_values, format_of, to_codes
from .errors import CosimError
from .machine_blocks import BlockRun, MachineBlocks, Wanted, Work
from .tiles import Product, Tiles, matrices

ACTIVATION_LANES = 4
"""Lanes of an activation's block: their number changes no bit, and few are built sooner."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What blocks gave: codes of a scalar format, in the shape of the result."""

    codes: CodeArray
    fmt: Scalar


@dataclass(frozen=True, kw_only=True)
class MxAnswer:
    """What blocks gave: elements and scales of MX blocks along `axis`."""

    codes: CodeArray
    scales: CodeArray
    mx: Mx
    axis: int


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps of one rounding on codes of one format; operands broadcast."""

    blocks: MachineBlocks
    fmt: Minifloat

    def add(self, a: CodeArray, b: CodeArray) -> CodeArray:
        """Return a + b."""
        return self._two("fp_add", a, b)

    def sub(self, a: CodeArray, b: CodeArray) -> CodeArray:
        """Return a - b."""
        return self._two("fp_sub", a, b)

    def mul(self, a: CodeArray, b: CodeArray) -> CodeArray:
        """Return a * b."""
        return self._two("fp_mul", a, b)

    def _two(self, name: str, a: CodeArray, b: CodeArray) -> CodeArray:
        return self.two(name, *np.broadcast_arrays(a, b))

    def two(self, name: str, a: CodeArray, b: CodeArray) -> CodeArray:
        """Return what a block of two operands gives, element by element.

        Args:
            name: of the op.
            a, b: codes of one shape.
        """
        beats = {"a": np.ascontiguousarray(a).ravel(), "b": np.ascontiguousarray(b).ravel()}
        return self.blocks.run(name, beats, fmt=self.fmt).reshape(a.shape)

    def one(self, name: str, a: CodeArray) -> CodeArray:
        """Return a function of one code, element by element."""
        return self.blocks.run(name, {"a": a.ravel()}, fmt=self.fmt).reshape(a.shape)

    def constant(self, value: float) -> CodeArray:
        """Return the code of a constant."""
        return np.asarray(encode([value], self.fmt)).reshape(())


class BlockOperations:
    """Operations of fakequant by the names and arguments that they have there.

    A method returns None where nothing is to be computed: a cast that changes no value, a constant
    in float64.
    """

    def __init__(self, blocks: MachineBlocks, hw: HardwareConfig) -> None:
        self.blocks, self.hw = blocks, hw
        self.last_product: tuple[Wanted, Product] | None = None
        self._weights: dict[int, tuple[nn.Parameter, Tiles]] = {}

    # -------------------------------------------------------------------------- one rounding

    def add(self, a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Answer:
        """Return RN(a + b).

        Args:
            a, b: values of `fmt`; `b` may be a number.
            fmt: format of operands and result.
        """
        return self._binary("fp_add", a, b, fmt)

    def sub(self, a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Answer:
        """Return RN(a - b).

        Args:
            a, b: values of `fmt`; `b` may be a number.
            fmt: format of operands and result.
        """
        return self._binary("fp_sub", a, b, fmt)

    def mul(self, a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Answer:
        """Return RN(a * b).

        Args:
            a, b: values of `fmt`; `b` may be a number.
            fmt: format of operands and result.
        """
        return self._binary("fp_mul", a, b, fmt)

    def _binary(self, name: str, a: Tensor, b: Tensor | float, fmt: Minifloat | str) -> Answer:
        fmt = as_minifloat(fmt)
        left, right = np.broadcast_arrays(to_codes(a, fmt), to_codes(_tensor(b), fmt))
        return Answer(codes=self._steps(fmt).two(name, left, right), fmt=fmt)

    def cast(
        self,
        x: Tensor,
        fmt: Scalar | str,
        *,
        rounding: Rounding | str = Rounding.RNE,
        overflow: Overflow | str = Overflow.SATURATE,
    ) -> Answer | None:
        """Return one rounding to another format; None where every value is one already.

        Args:
            x: values in float32, bfloat16 or float16.
            fmt: the format of the result.
            rounding, overflow: modes of `fakequant.cast`.
        """
        dst, src = as_scalar(fmt), format_of(x.dtype)
        if src is None or (isinstance(dst, Minifloat) and are_values(x, dst)):
            return None
        codes = self._cast(to_codes(x, src), src, dst, rounding=rounding, overflow=overflow)
        return Answer(codes=codes, fmt=dst)

    def _cast(self, codes: CodeArray, src: Scalar, dst: Scalar, **modes: Any) -> CodeArray:
        if src == dst:
            return codes
        y = self.blocks.run("fp_cast", {"a": codes.ravel()}, src=src, dst=dst, **modes)
        return y.reshape(codes.shape)

    # -------------------------------------------------------------------------------- blocks

    def quantize_mx(self, x: Tensor, mx: Mx | str, axis: int = -1, **_: Any) -> MxAnswer | None:
        """Return the blocks of an operand.

        Args:
            x: values of the vector format, or of the format of their dtype.
            mx: the format of the blocks.
            axis: where blocks run.
            **_: of stochastic rounding, which no block does, and whether NaN are an error.
        """
        mx = as_mx(mx)
        src = self._source(x)
        if src is None:
            return None
        codes, scales, _length = self._blocks(x, src, mx, axis % x.ndim)
        rows = x.movedim(axis, -1).shape
        elements = codes.reshape(*rows[:-1], -1)[..., : rows[-1]]
        return MxAnswer(
            codes=np.ascontiguousarray(np.moveaxis(elements, -1, axis)),
            scales=np.ascontiguousarray(np.moveaxis(scales.reshape(*rows[:-1], -1), -1, axis)),
            mx=mx,
            axis=axis % x.ndim,
        )

    def quantize(self, x: Tensor, mx: Mx | str, axis: int = -1, **_: Any) -> Answer | None:
        """Return values of blocks in the dtype of `x`; arguments are those of `quantize_mx`."""
        mx = as_mx(mx)
        src, dst = self._source(x), format_of(x.dtype)
        if src is None or dst is None:
            return None
        codes, scales, block = self._blocks(x, src, mx, axis % x.ndim)
        beats = {"codes": codes, "scale": scales}
        y = self.blocks.run("mx_to_fp", beats, width=block, mx=mx, dst=dst)
        rows = x.movedim(axis, -1).shape
        values = y.reshape(*rows[:-1], -1)[..., : rows[-1]]
        return Answer(codes=np.ascontiguousarray(np.moveaxis(values, -1, axis)), fmt=dst)

    def _source(self, x: Tensor) -> Minifloat | None:
        """Return the format in which values come: the vector unit's, if they are its values."""
        vector = self.hw.vector_format
        return vector if are_values(x, vector) else format_of(x.dtype)

    def _blocks(
        self, x: Tensor, src: Minifloat, mx: Mx, axis: int
    ) -> tuple[CodeArray, CodeArray, int]:
        """Return elements (blocks, block) and scales (blocks,) of all rows."""
        rows = x.detach().movedim(axis, -1)
        padded = functional.pad(rows, (0, -rows.shape[-1] % mx.block_size))
        codes = to_codes(padded, src).reshape(-1, mx.block_size)
        found = self.blocks.outputs("fp_to_mx", {"x": codes}, width=mx.block_size, src=src, mx=mx)
        return found["codes"], found["scale"], mx.block_size

    # ---------------------------------------------------------------------------- whole rows

    def softmax(
        self,
        x: Tensor,
        mask: Tensor | int,
        fmt: Minifloat | str,
        red: Minifloat | str,
        *,
        lanes: int | None = None,
    ) -> Answer:
        """Return y = e · reciprocal(Σ e) with e = exp(x - max x); +0 where masked.

        Args:
            x: values of `fmt`, (…, n).
            mask: where an element takes part.
            fmt: format V of elements and results.
            red: format R of the reductions.
            lanes: of the vector unit; a row where None.
        """
        fmt, red = as_minifloat(fmt), as_minifloat(red)
        v, codes = self._steps(fmt), to_codes(x, fmt)
        chosen = selection(mask, x)
        taken = None if chosen is None else chosen.expand(x.shape).numpy()
        lowest = float(-red.max_value)
        top = self._reduce("reduce_max", codes, taken, lowest, fmt, red, lanes)
        powers = v.one("fp_exp", v.sub(codes, top))
        total = self._reduce("reduce_sum", powers, taken, 0.0, fmt, red, lanes)
        y = v.mul(powers, v.one("fp_reciprocal", total))
        return Answer(codes=y if taken is None else np.where(taken, y, y.dtype.type(0)), fmt=fmt)

    def rms_norm(
        self,
        x: Tensor,
        gamma: Tensor | float,
        eps: Tensor | float,
        fmt: Minifloat | str,
        red: Minifloat | str,
        *,
        lanes: int | None = None,
    ) -> Answer:
        """Return y = x · r · gamma with r = reciprocal(sqrt(Σ x·x · 1/n + eps)).

        Args:
            x: values of `fmt`, (…, n).
            gamma, eps: values of `fmt`, which broadcast.
            fmt, red, lanes: as for `softmax`.
        """
        fmt, red = as_minifloat(fmt), as_minifloat(red)
        gain, small = (to_codes(_tensor(given), fmt) for given in (gamma, eps))
        return Answer(codes=self._rms(to_codes(x, fmt), gain, small, fmt, red, lanes), fmt=fmt)

    def layer_norm(
        self,
        x: Tensor,
        gamma: Tensor | float,
        beta: Tensor | float,
        eps: Tensor | float,
        fmt: Minifloat | str,
        red: Minifloat | str,
        *,
        lanes: int | None = None,
    ) -> Answer:
        """Return rms_norm(x - Σ x · 1/n, gamma) + beta.

        Args:
            x: values of `fmt`, (…, n).
            gamma, beta, eps: values of `fmt`, which broadcast.
            fmt, red, lanes: as for `softmax`.
        """
        fmt, red = as_minifloat(fmt), as_minifloat(red)
        gain, shift, small = (to_codes(_tensor(given), fmt) for given in (gamma, beta, eps))
        v, codes = self._steps(fmt), to_codes(x, fmt)
        centred = v.sub(codes, self._mean(codes, fmt, red, lanes))
        return Answer(codes=v.add(self._rms(centred, gain, small, fmt, red, lanes), shift), fmt=fmt)

    def _rms(
        self,
        x: CodeArray,
        gain: CodeArray,
        eps: CodeArray,
        fmt: Minifloat,
        red: Minifloat,
        lanes: int | None,
    ) -> CodeArray:
        v = self._steps(fmt)
        root = v.one("fp_sqrt", v.add(self._mean(v.mul(x, x), fmt, red, lanes), eps[..., None]))
        return v.mul(v.mul(x, v.one("fp_reciprocal", root)), gain)

    def _mean(self, x: CodeArray, fmt: Minifloat, red: Minifloat, lanes: int | None) -> CodeArray:
        v = self._steps(fmt)
        total = self._reduce("reduce_sum", x, None, 0.0, fmt, red, lanes)
        return v.mul(total, v.constant(reciprocal_value(x.shape[-1], fmt)))

    def _reduce(
        self,
        name: str,
        x: CodeArray,
        taken: CodeArray | None,
        seed: float,
        fmt: Minifloat,
        red: Minifloat,
        lanes: int | None,
    ) -> CodeArray:
        """Return one code of `fmt` a row, (…, 1): vector by vector through the seed."""
        width = lanes or x.shape[-1]
        length = x.shape[-1]
        short = -length % width
        rows = np.pad(x.reshape(-1, length), ((0, 0), (0, short)))
        mask = np.ones(x.shape, np.uint8) if taken is None else taken.astype(np.uint8)
        mask = np.pad(mask.reshape(-1, length), ((0, 0), (0, short)))
        sums = np.broadcast_to(np.asarray(encode([seed], red)), (len(rows),))
        for begin in range(0, length + short, width):
            beats = {
                "x": np.ascontiguousarray(rows[:, begin : begin + width]),
                "mask": np.ascontiguousarray(mask[:, begin : begin + width]),
                "seed": sums,
            }
            sums = self.blocks.run(
                name, beats, width=self.blocks.vlen, src=fmt, dst=red, lanes=width
            )
        return self._cast(sums, red, fmt).reshape(*x.shape[:-1], 1)

    def rope(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        fmt: Minifloat | str,
        *,
        stride: int | None = None,
    ) -> Answer:
        """Return x · cos + rotate(x) · sin.

        Args:
            x: values of `fmt`, (…, n).
            cos, sin: values of `fmt`, which broadcast.
            fmt: format of elements, tables and results.
            stride: between the two elements of a pair; n / 2 by default.
        """
        fmt = as_minifloat(fmt)
        step = checked_stride(stride, x.shape[-1])
        first, second = x.reshape(*x.shape[:-1], -1, 2, step).unbind(-2)
        turned = torch.stack((-second, first), -2).view(x.shape)
        v = self._steps(fmt)
        left = v.mul(to_codes(x, fmt), to_codes(cos, fmt))
        return Answer(codes=v.add(left, v.mul(to_codes(turned, fmt), to_codes(sin, fmt))), fmt=fmt)

    def hadamard(
        self,
        x: Tensor,
        fmt: Minifloat | str,
        *,
        block: int | None = None,
        inverse: bool = False,
    ) -> Answer:
        """Return signed sums where K > 1, butterflies at 1, 2, 4 …, every element · 1/√(K · 2^r).

        Args:
            x: values of `fmt`, (…, n).
            fmt: format of every step.
            block: length of a transform; the largest power of two that divides n by default.
            inverse: signs of the matrix transposed.
        """
        fmt = as_minifloat(fmt)
        size = x.shape[-1] & -x.shape[-1] if block is None else block
        k = require_hadamard_size(size, x.shape[-1], "hadamard: block")
        v, codes = self._steps(fmt), to_codes(x, fmt)
        if k > 1:
            signs = hadamard_matrix(k).T if inverse else hadamard_matrix(k)
            groups = codes.reshape(*x.shape[:-1], -1, 1, k, size // k)
            level = np.where(signs[..., None] > 0, groups, neg(groups, fmt))
            while (lanes := level.shape[-2]) > 1:  # the tree of reduce_sum, along K
                paired = lanes // 2 * 2
                joined = v.add(level[..., 0:paired:2, :], level[..., 1:paired:2, :])
                level = np.concatenate([joined, level[..., paired:, :]], axis=-2)
            codes = level.reshape(x.shape)
        for stage in range((size // k).bit_length() - 1):
            pairs = codes.reshape(*x.shape[:-1], -1, 2, 1 << stage)
            low, high = pairs[..., 0, :], pairs[..., 1, :]
            codes = np.stack((v.add(low, high), v.sub(low, high)), -2).reshape(x.shape)
        gain = v.constant(rsqrt_value(size, fmt))
        return Answer(codes=v.mul(codes, gain), fmt=fmt)

    # --------------------------------------------------------------------------- activations

    def silu(self, x: Tensor, fmt: Minifloat | str) -> Answer:
        """Return x · reciprocal(1 + exp(-x))."""
        return self._activation("silu", x, fmt)

    def gelu_sigmoid(self, x: Tensor, fmt: Minifloat | str) -> Answer:
        """Return x · sigmoid(1.702 x)."""
        return self._activation("gelu_sigmoid", x, fmt)

    def gelu_tanh(self, x: Tensor, fmt: Minifloat | str) -> Answer:
        """Return the GELU by tanh."""
        return self._activation("gelu_tanh", x, fmt)

    def _activation(self, name: str, x: Tensor, fmt: Minifloat | str) -> Answer:
        fmt = as_minifloat(fmt)
        codes = to_codes(x, fmt)
        lanes = ACTIVATION_LANES
        flat = np.pad(codes.ravel(), (0, -codes.size % lanes)).reshape(-1, lanes)
        y = self.blocks.run(name, {"x": flat}, width=lanes, fmt=fmt, lanes=lanes)
        return Answer(codes=y.ravel()[: codes.size].reshape(codes.shape), fmt=fmt)

    # -------------------------------------------------------------------------------- matmul

    def matmul(self, x: MxTensor, w: MxTensor, hw: HardwareConfig) -> Answer | None:
        """Return sums of exact block dots in ascending K, tile by tile through the matrix unit.

        Args:
            x: (…, m, k), blocks along k.
            w: (…, k, n), blocks along k; leading axes broadcast.
            hw: the machine: sizes, accumulator and vector format.

        Raises:
            CosimError: blocks do not fill a slice of the machine's matrix unit.
        """
        if 0 in (*x.shape, *w.shape):
            return None
        require_whole_blocks(x.mx, hw)
        edge, depth = hw.blen, hw.mlen
        if w.values.ndim == 2:
            shape = (*x.shape[:-1], w.shape[-1])
            left = x.values.reshape(1, -1, x.shape[-1]), x.scales.reshape(1, -1, x.scales.shape[-1])
            batch, right = 1, self._weight(w, edge, depth)
        else:
            leading = torch.broadcast_shapes(x.shape[:-2], w.shape[:-2])  # type: ignore[no-untyped-call]
            shape = (*leading, x.shape[-2], w.shape[-1])
            left = matrices(_expanded(x, leading))
            batch = left[0].shape[0]
            columns = matrices(_expanded(w.mT, leading))
            right = Tiles.of(*columns, w.mx, edge=edge, depth=depth)
        product = Product(
            a=Tiles.of(*left, x.mx, edge=edge, depth=depth), b=right, batch=batch, edge=edge
        )
        wanted = Wanted.of(
            "mx_mm",
            a=x.mx,
            b=w.mx,
            acc=hw.accumulator_format,
            v=hw.vector_format,
            rows=edge,
            cols=edge,
            depth=depth,
        )
        self.last_product = (wanted, product)
        codes = self._product(wanted, product)
        macs = product.batch * product.a.rows * product.b.rows * x.shape[-1]
        self.blocks.note(wanted, Work(macs=macs))
        return Answer(codes=product.assembled(codes).reshape(shape), fmt=hw.vector_format)

    def _product(self, wanted: Wanted, product: Product) -> CodeArray:
        block = self.blocks.block(wanted)
        ranges = list(product.chunks(self.blocks.jobs))
        played = self.blocks.spread(lambda ends: block.play(product.beats(*ends)), ranges)
        cycles = sum(done.cycles for done in played)
        beats = product.count * product.slices
        self.blocks.note(wanted, Work(beats=beats, cycles=cycles, machine_cycles=cycles))
        return np.concatenate([done.outputs["y"] for done in played])

    def _weight(self, w: MxTensor, edge: int, depth: int) -> Tiles:
        """Return the tiles of a weight, cut once in a run."""
        base = w.values if w.values._base is None else w.values._base
        found = self._weights.get(id(base))
        if found is not None:
            return found[1]
        columns = w.mT
        cut = Tiles.of(columns.values[None], columns.scales[None], w.mx, edge=edge, depth=depth)
        if isinstance(base, nn.Parameter):
            self._weights[id(base)] = (base, cut)
        return cut

    def product_run(self, batch: int, row: int, col: int) -> BlockRun | None:
        """Return the beats of one output tile of the last product, run again.

        Args:
            batch, row, col: of an element of the result.
        """
        if self.last_product is None:
            return None
        wanted, product = self.last_product
        tile = product.tile_of(batch, row, col)
        beats = product.beats(tile, tile + 1)
        outputs = self.blocks.block(wanted).play(beats).outputs
        return BlockRun(wanted=wanted, inputs=beats, outputs=outputs)

    def _steps(self, fmt: Minifloat) -> Steps:
        return Steps(blocks=self.blocks, fmt=fmt)


def require_whole_blocks(mx: Mx, hw: HardwareConfig, where: str = "an operand") -> None:
    """Refuse blocks that no slice of the matrix unit holds whole, or that draw random numbers.

    Args:
        mx: of an operand.
        hw: the machine.
        where: whose operand, for the message.

    Raises:
        CosimError: with what to give instead.
    """
    if hw.mlen % mx.block_size:
        raise CosimError(
            f"{where} has blocks of {mx.block_size} elements ({mx.name}), and the matrix unit of "
            f"this machine takes mlen = {hw.mlen} elements a beat, which must be a multiple; give "
            "another machine or another block_size"
        )
    if mx.rounding is Rounding.STOCHASTIC:
        raise CosimError(
            f"{where} is rounded stochastically, and blocks draw no random numbers; give the "
            "recipe a deterministic rounding, such as rne"
        )


def _tensor(given: Tensor | float) -> Tensor:
    return torch.as_tensor(given, dtype=None if isinstance(given, Tensor) else torch.float64)


def _expanded(operand: MxTensor, leading: tuple[int, ...]) -> MxTensor:
    values = operand.values.expand(*leading, *operand.values.shape[-2:])
    scales = operand.scales.expand(*leading, *operand.scales.shape[-2:])
    axis = operand.axis + values.ndim - operand.values.ndim
    return MxTensor(values=values, scales=scales, mx=operand.mx, axis=axis)
