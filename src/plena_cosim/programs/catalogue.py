"""Programs by name, each with random inputs and what golden makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..golden import FormatError, Mx, encode, ops, quantize
from ..golden.isa.fast import FastInterpreter
from ..golden.isa.machine import KV, Machine, Type
from . import by_rows, golden_layer
from .attention import Heads, Operands, attention, causal, flash_attention, mask_of
from .builder import Builder
from .decoder_layer import Between, Layer, Linear, Norm, Tables, decoder_layer
from .embedding import embedding
from .image import Array, Tensor
from .linear import linear
from .padding import padded_heads, padded_inputs, padded_outputs
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

    def mx(self, role: str, type_: Type) -> Mx:
        """Return a type that must be an MX format."""
        if not isinstance(type_, Mx):
            raise FormatError(f"products need an MX type of {role}s; the machine has {type_.name}")
        return type_

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
    weight, operand = g.mx("weight", machine.weight), g.mx("activation", machine.activation)
    w = quantize(g.draw.normal(0, 0.1, (g.outputs, g.columns)), weight)
    shift = g.codes(1, g.outputs) if bias else None
    row = None if shift is None else g.matrix("bias", shift)
    linear(g.builder, g.matrix("x", x), g.builder.image.weight("w", w), y, bias=row)
    wanted = golden_layer.linear(x, w, operand, hw)
    return y, wanted if shift is None else ops.add(wanted, shift, v)


def _attention(g: _Given, *, flash: bool = False) -> tuple[Tensor, Array]:
    b, hw, heads = g.builder, g.machine.hardware, g.heads
    width = heads.key * heads.size
    q, k, v = g.codes(g.rows, g.columns), g.codes(g.rows, width), g.codes(g.rows, width)
    wide = heads.padded(hw.vlen)
    y = b.image.matrix("y", None, (g.rows, heads.query * wide))
    shape = g.rows, heads.key * wide
    caches = {name: b.image.cache(f"{name} cache", shape, g.machine.kv) for name in "kv"}
    for name, codes in (("k", k), ("v", v)):
        by_rows.copy(b, g.by_head(name, codes, heads.key), caches[name])
    allowed = causal(g.rows, g.rows)
    write = flash_attention if flash else attention
    write(
        b,
        g.by_head("q", q, heads.query),
        caches["k"],
        caches["v"],
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


def _decoder_layer(g: _Given) -> tuple[Tensor, Array]:
    b, machine, hw, heads = g.builder, g.machine, g.machine.hardware, g.heads
    v, hidden, mlp, width = hw.vector_format, g.columns, g.outputs, g.heads.key * g.block
    shapes = {"q": (hidden, hidden), "k": (width, hidden), "v": (width, hidden)}
    shapes |= {"o": (hidden, hidden), "gate": (mlp, hidden), "up": (mlp, hidden)}
    shapes |= {"down": (hidden, mlp)}
    weight, operand = g.mx("weight", machine.weight), g.mx("activation", machine.activation)
    weights = {
        name: quantize(g.draw.normal(0, shape[1] ** -0.5, shape), weight)
        for name, shape in shapes.items()
    }
    golden = golden_layer.GoldenLayer(
        before=g.codes(1, hidden, 0.5),
        between=g.codes(1, hidden, 0.5),
        eps=1e-5,
        weights=weights,
        operand=operand,
        heads=heads,
        stored=machine.kv,
        scores=g.operand_type,
        outputs=g.operand_type,
    )
    x, cos, sin = g.codes(g.rows, hidden), *(g.codes(g.rows, g.block, 0.7) for _ in range(2))
    allowed = causal(g.rows, g.rows)
    layer = layer_in_image(b, golden, capacity=g.rows, operand=g.operand)
    tables = Tables(
        cos=g.matrix("cos", cos),
        sin=g.matrix("sin", with_signs(sin, g.block, v)),
        mask=mask_of(b, "mask", allowed),
        start=0,
    )
    y = g.matrix("x", x)
    decoder_layer(b, layer, y, tables, Between(b.image, "between", g.rows, layer))
    return y, golden_layer.decoder_layer(x, golden, cos, sin, allowed, hw)


def layer_in_image(
    b: Builder, given: golden_layer.GoldenLayer, *, capacity: int, operand: int
) -> Layer:
    """Put a layer into the image.

    Args:
        b: whose image.
        given: the layer.
        capacity: tokens that its caches hold.
        operand: number of the type of attention's operands.

    Returns:
        Where its weights and caches lie.
    """
    vlen, heads = b.machine.hardware.vlen, given.heads
    padded = dict(given.weights)
    for name, count in (("q", heads.query), ("k", heads.key), ("v", heads.key)):
        padded[name] = padded_outputs(padded[name], count, vlen)
    padded["o"] = padded_inputs(padded["o"], heads.query, vlen)
    linears = {name: Linear(weight=b.image.weight(name, w)) for name, w in padded.items()}
    before, between = (
        Norm(gain=b.image.matrix(name, gain, (1, gain.shape[1])), eps=given.eps)
        for name, gain in (("before", given.before), ("between", given.between))
    )
    shape = capacity, heads.key * heads.padded(vlen)
    keys, values = (b.image.cache(name, shape, given.stored) for name in ("keys", "values"))
    return Layer(
        before=before,
        between=between,
        q=linears["q"],
        k=linears["k"],
        v=linears["v"],
        o=linears["o"],
        gate=linears["gate"],
        up=linears["up"],
        down=linears["down"],
        heads=heads,
        types=Operands(scores=operand, outputs=operand),
        scale=heads.size**-0.5,
        keys=keys,
        values=values,
    )


def _lm_head(g: _Given) -> tuple[Tensor, Array]:
    b, hw, v = g.builder, g.machine.hardware, g.machine.hardware.vector_format
    weight, operand = g.mx("weight", g.machine.weight), g.mx("activation", g.machine.activation)
    w = quantize(g.draw.normal(0, 0.1, (g.outputs, g.columns)), weight)
    x, gain = g.codes(g.rows, g.columns), g.codes(1, g.columns)
    normed, y = b.image.matrix("normed", None, x.shape), g.result(g.outputs)
    with b.part("last norm"):
        by_rows.rms_norm(b, g.matrix("x", x), gain[0], 1e-5, normed)
    with b.part("head"):
        linear(b, normed, b.image.weight("w", w), y)
    eps = encode(1e-5, v)
    h = ops.rms_norm(x, gain, eps, v, hw.reduction_format, lanes=hw.vlen)
    return y, golden_layer.linear(h, w, operand, hw)


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
    "lm_head": _lm_head,
    "decoder_layer": _decoder_layer,
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
        outputs: columns of a linear layer's result, or within the MLP; `columns` when None.
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
    """Run a program and compare its result with golden's."""
    words = built.builder.program().words
    image = built.builder.image
    made = FastInterpreter(built.builder.machine, words, hbm=image.bytes())
    steps = made.carry_out()
    found = image.read(built.result, made.state.hbm)
    return Checked(
        words=len(words),
        steps=steps,
        codes=found.size,
        differing=int((found != built.wanted).sum()),
    )
