"""Programs by name, each with random inputs and what golden makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..golden import FormatError, Mx, MxArray, decode, encode, ops, quantize
from ..golden.isa.interpreter import Interpreter
from ..golden.isa.machine import Machine
from . import by_rows
from .builder import Builder
from .image import Array, Tensor
from .linear import linear


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
    x, y = g.codes(g.rows, g.columns), g.result()
    cos, sin = g.codes(g.rows, g.columns, 0.7), g.codes(g.rows, g.columns, 0.7)
    tables = g.matrix("cos", cos), g.matrix("sin", sin)
    by_rows.rope(g.builder, g.matrix("x", x), *tables, y, head=g.block)
    return y, ops.rope(x, cos, sin, g.machine.hardware.vector_format, stride=g.block // 2)


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
