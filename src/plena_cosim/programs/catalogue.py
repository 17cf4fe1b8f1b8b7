"""Programs by name, each with random inputs and what golden makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..golden import FormatError, Mx, MxArray, decode, encode, ops, quantize
from ..golden.isa.interpreter import Interpreter
from ..golden.isa.machine import KV, Machine
from . import by_rows, golden_layer
from .attention import Heads, Operands, attention, causal, flash_attention, mask_of
from .builder import Builder
from .embedding import embedding
from .image import Array, Tensor
from .linear import linear
from .rope import rope, with_signs


@dataclass(frozen=True, kw_only=True)
class Built:
    """A program with its inputs in an image.

    Attributes:
        builder: the program and its image.
        result: the matrix that it leaves in HBM.
        wanted: golden's codes of it.
    """

    builder: Builder
    result: Tensor
    wanted: Array


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A program that has been run.

    Attributes:
        words: of the program.
        steps: instructions that were carried out.
        codes: of the result.
        differing: of them, from golden's.
    """

    words: int
    steps: int
    codes: int
    differing: int


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What a program is made of."""

    builder: Builder
    rows: int
    columns: int
    outputs: int
    block: int
    kv_heads: int | None
    operand: int
    draw: np.random.Generator

    @property
    def machine(self) -> Machine:
        return self.builder.machine

    def codes(self, rows: int, columns: int, size: float = 2.0) -> Array:
        """Return random codes of V."""
        v = self.machine.hardware.vector_format
        return encode(self.draw.normal(0, size, (rows, columns)), v)

    def matrix(self, name: str, codes: Array) -> Tensor:
        return self.builder.image.matrix(name, codes, (codes.shape[0], codes.shape[1]))

    @property
    def heads(self) -> Heads:
        """Heads of `block` elements in the columns."""
        count, beyond = divmod(self.columns, self.block)
        keys = self.kv_heads or count
        if beyond or count % keys:
            raise FormatError(
                f"heads of {self.block} elements, {keys} of them with keys, do not fit "
                f"{self.columns} columns"
            )
        return Heads(query=count, key=keys, size=self.block)

    @property
    def operand_type(self) -> Mx:
        """The type that operands of attention are quantised to."""
        types = self.machine.types(weights=True)
        found = types[self.operand] if 0 < self.operand < len(types) else None
        if not isinstance(found, Mx):
            raise FormatError(f"type {self.operand} of the machine is no MX format for attention")
        return found

    def by_head(self, name: str, codes: Array, heads: int) -> Tensor:
        """Add a matrix of heads, each padded to whole vectors."""
        return self.matrix(name, padded_heads(codes, heads, self.machine.hardware.vlen))

    def result(self, columns: int | None = None) -> Tensor:
        shape = self.rows, columns or self.columns
        return self.builder.image.matrix("y", None, shape)


def _silu(g: _Given) -> tuple[Tensor, Array]:
    x, y = g.codes(g.rows, g.columns), g.result()
    by_rows.silu(g.builder, g.matrix("x", x), y)
    return y, ops.silu(x, g.machine.hardware.vector_format)


def _swiglu(g: _Given) -> tuple[Tensor, Array]:
    gate, up, y = g.codes(g.rows, g.columns), g.codes(g.rows, g.columns), g.result()
    by_rows.silu(g.builder, g.matrix("gate", gate), y, g.matrix("up", up))
    return y, ops.swiglu(gate, up, g.machine.hardware.vector_format)


def _rms_norm(g: _Given) -> tuple[Tensor, Array]:
    hw, x, y, gamma = (
        g.machine.hardware,
        g.codes(g.rows, g.columns),
        g.result(),
        g.codes(1, g.columns),
    )
    by_rows.rms_norm(g.builder, g.matrix("x", x), gamma[0], 1e-5, y)
    eps = encode(1e-5, hw.vector_format)
    formats = hw.vector_format, hw.reduction_format
    return y, ops.rms_norm(x, gamma, eps, *formats, lanes=hw.vlen)


def _layer_norm(g: _Given) -> tuple[Tensor, Array]:
    hw, x, y = g.machine.hardware, g.codes(g.rows, g.columns), g.result()
    gamma, beta = g.codes(1, g.columns), g.codes(1, g.columns)
    by_rows.layer_norm(g.builder, g.matrix("x", x), gamma[0], beta[0], 1e-5, y)
    eps = encode(1e-5, hw.vector_format)
    formats = hw.vector_format, hw.reduction_format
    return y, ops.layer_norm(x, gamma, beta, eps, *formats, lanes=hw.vlen)


def _softmax(g: _Given) -> tuple[Tensor, Array]:
    hw, x, y = g.machine.hardware, g.codes(g.rows, g.columns), g.result()
    by_rows.softmax(g.builder, g.matrix("x", x), y)
    return y, ops.softmax(x, 1, hw.vector_format, hw.reduction_format, lanes=hw.vlen)


def _rope(g: _Given) -> tuple[Tensor, Array]:
    x, y, v = g.codes(g.rows, g.columns), g.result(), g.machine.hardware.vector_format
    cos, sin = g.codes(g.rows, g.columns, 0.7), g.codes(g.rows, g.columns, 0.7)
    tables = g.matrix("cos", cos), g.matrix("sin", with_signs(sin, g.block, v))
    rope(g.builder, g.matrix("x", x), *tables, y, head=g.block)
    return y, ops.rope(x, cos, sin, v, stride=g.block // 2)


def _hadamard(g: _Given) -> tuple[Tensor, Array]:
    x, y = g.codes(g.rows, g.columns), g.result()
    by_rows.hadamard(g.builder, g.matrix("x", x), y, block=g.block)
    return y, ops.hadamard(x, g.machine.hardware.vector_format, block=g.block)


def _linear(g: _Given, *, bias: bool = False) -> tuple[Tensor, Array]:
    machine, hw = g.machine, g.machine.hardware
    v = hw.vector_format
    x, y = g.codes(g.rows, g.columns), g.result(g.outputs)
    weight, activation = machine.weight, machine.activation
    if not isinstance(weight, Mx) or not isinstance(activation, Mx):
        raise FormatError("linear needs MX types of weights and activations")
    w = quantize(g.draw.normal(0, 0.1, (g.outputs, g.columns)), weight)
    shift = g.codes(1, g.outputs) if bias else None
    row = None if shift is None else g.matrix("bias", shift)
    linear(g.builder, g.matrix("x", x), g.builder.image.weight("w", w), y, bias=row)
    turned = MxArray(codes=w.codes.T, scales=w.scales.T, mx=weight, axis=0)
    wanted = ops.matmul(quantize(decode(x, v), activation), turned, hw)
    return y, wanted if shift is None else ops.add(wanted, shift, v)


def padded_heads(codes: Array, heads: int, vlen: int) -> Array:
    """Return rows of heads with zeros behind each, up to whole vectors."""
    rows, size = codes.shape[0], codes.shape[1] // heads
    found = np.zeros((rows, heads, -(-size // vlen) * vlen), codes.dtype)
    found[:, :, :size] = codes.reshape(rows, heads, size)
    return found.reshape(rows, -1)


def _attention(g: _Given, *, flash: bool = False) -> tuple[Tensor, Array]:
    b, hw, heads = g.builder, g.machine.hardware, g.heads
    width = heads.key * heads.size
    q, k, v = g.codes(g.rows, g.columns), g.codes(g.rows, width), g.codes(g.rows, width)
    wide = heads.padded(hw.vlen)
    y = b.image.matrix("y", None, (g.rows, heads.query * wide))
    caches = []
    for name, codes in (("k", k), ("v", v)):
        cache = b.image.cache(f"{name} cache", (g.rows, heads.key * wide), g.machine.kv)
        by_rows.copy(b, g.by_head(name, codes, heads.key), cache)
        caches.append(cache)
    allowed = causal(g.rows, g.rows)
    write = flash_attention if flash else attention
    write(
        b,
        g.by_head("q", q, heads.query),
        *caches,
        mask_of(b, "mask", allowed),
        y,
        heads=heads,
        types=Operands(scores=g.operand, outputs=g.operand),
        scale=heads.size**-0.5,
    )
    mx = g.operand_type
    wanted = golden_layer.attention(
        q, k, v, allowed, hw, heads=heads, stored=g.machine.kv, scores=mx, outputs=mx, flash=flash
    )
    return y, padded_heads(wanted, heads.query, hw.vlen)


def _embedding(g: _Given) -> tuple[Tensor, Array]:
    table, ids = g.codes(4 * g.rows, g.columns), g.draw.integers(0, 4 * g.rows, g.rows)
    y = g.result()
    embedding(g.builder, g.matrix("table", table), ids.tolist(), y, factor=1.5)
    v = g.machine.hardware.vector_format
    return y, ops.mul(table[ids], encode(1.5, v), v)


PROGRAMS: dict[str, Callable[[_Given], tuple[Tensor, Array]]] = {
    "linear": _linear,
    "linear_bias": lambda g: _linear(g, bias=True),
    "rms_norm": _rms_norm,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "silu": _silu,
    "swiglu": _swiglu,
    "rope": _rope,
    "hadamard": _hadamard,
    "attention": _attention,
    "flash_attention": lambda g: _attention(g, flash=True),
    "embedding": _embedding,
}
"""Programs by their names."""


def build(
    name: str,
    machine: Machine,
    *,
    rows: int,
    columns: int,
    outputs: int | None = None,
    block: int | None = None,
    kv_heads: int | None = None,
    operand: int = KV,
    seed: int = 0,
) -> Built:
    """Return a program, its inputs, and golden's result.

    Args:
        name: one of `PROGRAMS`.
        machine: it is for.
        rows, columns: of the input.
        outputs: columns of a linear layer's result; `columns` when None.
        block: of rope: a head's elements; of hadamard: a transform's. The largest power of two that
            divides `columns`, up to VLEN, when None.
        kv_heads: heads of keys; as many as there are heads when None.
        operand: number of the type that operands of attention are quantised to.
        seed: of the inputs.

    Raises:
        FormatError: there is no such program, or its sizes do not fit the machine.
    """
    if name not in PROGRAMS:
        raise FormatError(f"no program {name!r}; there are {', '.join(PROGRAMS)}")
    if min(rows, columns, outputs or 1) < 1:
        raise FormatError(f"{name} of {rows} x {columns}: sizes must be positive")
    builder = Builder(machine)
    size = columns & -columns
    given = _Given(
        builder=builder,
        rows=rows,
        columns=columns,
        outputs=outputs or columns,
        block=block or (size if size < machine.hardware.vlen else machine.hardware.vlen),
        kv_heads=kv_heads,
        operand=operand,
        draw=np.random.default_rng(seed),
    )
    result, wanted = PROGRAMS[name](given)
    return Built(builder=builder, result=result, wanted=wanted)


def check(built: Built) -> Checked:
    """Run a program by the golden interpreter and compare its result with golden's."""
    words = built.builder.program().words
    image = built.builder.image
    made = Interpreter(built.builder.machine, words, hbm=image.bytes())
    steps = sum(1 for _ in made.run())
    found = image.read(built.result, made.state.hbm)
    return Checked(
        words=len(words),
        steps=steps,
        codes=found.size,
        differing=int((found != built.wanted).sum()),
    )
