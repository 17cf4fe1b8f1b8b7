"""A format may be given by its name wherever one is taken, with the same result and errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from plena_cosim import fakequant, golden
from plena_cosim.golden import FormatError, HardwareConfig, get_format, ops
from plena_cosim.golden.blocks.formats import as_named
from plena_cosim.golden.ops import OPS

from .op_arguments import formats_for

MX, FP, MICRO = "mxint4", "bf16", "mx6"
WRONG = {MX: FP, FP: MX, MICRO: MX}
KINDS = re.compile(r"\b(Minifloat|Scalar|Mx|MicroMx)\b")
X = torch.linspace(-2.0, 2.0, 64).reshape(2, 32)
CODES = np.arange(64, dtype=np.uint16).reshape(2, 32)
NIBBLES, SCALES = CODES.astype(np.uint8) & 15, np.full(2, 127, dtype=np.uint8)
MACHINE = {"hw": HardwareConfig(vlen=32)}
_QKV = ((X, -1), (X, -1), (X[:, :1], 0))
QKV = tuple(golden.quantize(x, MX, axis) for x, axis in _QKV)
TORCH_QKV = tuple(fakequant.quantize_mx(x, MX, axis) for x, axis in _QKV)


@dataclass(frozen=True)
class Call:
    """A public function with arguments that it takes."""

    function: Callable[..., Any]
    arrays: tuple[Any, ...]
    formats: dict[str, str]
    others: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.function.__module__.split('.')[1]}.{self.function.__name__}"

    def result(self, formats: dict[str, Any]) -> list[Any]:
        found = self.function(*self.arrays, **formats, **self.others)
        parts = found if isinstance(found, tuple) else (found,)
        return [vars(part) if hasattr(part, "mx") else part for part in parts]


def op_call(name: str) -> Call:
    op, rng = OPS[name], np.random.default_rng(1)
    formats = formats_for(op, mx=MX, micro=MICRO, scalar=FP)
    formats |= {argument: names[0] for argument, names in op.built_for.items()}
    sizes = {size: 32 if size in ("depth", "keys", "lanes") else 2 for size in op.sizes}
    every = {argument: as_named(fmt) for argument, fmt in formats.items()} | sizes
    arrays = tuple(
        rng.integers(
            0,
            1 << port.width_bits(every),
            (3, port.lanes(every)) if port.is_array() else 3,
        )
        for port in op.inputs
    )
    taken = inspect.signature(op.golden).parameters
    return Call(op.golden, arrays, formats, {k: v for k, v in sizes.items() if k in taken})


OWN_CALLS = [
    *map(op_call, OPS),
    Call(golden.decode, (CODES,), {"fmt": FP}),
    Call(golden.encode, (X.numpy(),), {"fmt": FP}),
    Call(golden.quantize, (X.numpy(),), {"mx": MX}),
    Call(ops.attention, QKV, {"p_mx": MX}, MACHINE),
    Call(ops.block_bytes, (), {"mx": MX}),
    Call(ops.dot, (NIBBLES, SCALES, NIBBLES, SCALES), {"a": MX, "b": MX, "acc": FP}),
    Call(ops.online_softmax_rows, (CODES, 1), {"fmt": FP, "red": FP}, {"lanes": 8}),
    Call(ops.pack_blocks, (NIBBLES, SCALES), {"mx": MX}),
    Call(ops.unpack_blocks, (ops.pack_blocks(NIBBLES, SCALES, MX),), {"mx": MX}),
    Call(ops.reduce_rows, (ops.reduce_sum, CODES, 0), {"src": FP, "dst": FP}),
    Call(ops.rope_tables, (range(3), 8), {"fmt": FP}),
    *(Call(getattr(fakequant, name), (X,), {"mx": MX}) for name in ("quantize", "quantize_mx")),
    *(
        Call(getattr(fakequant, name), (X, 1, 0.5), {"src": FP, "dst": FP})
        for name in ("reduce_sum", "reduce_max")
    ),
    Call(fakequant.reduce_rows, (fakequant.reduce_sum, X, 0.5), {"src": FP, "dst": FP}),
    Call(fakequant.softmax, (X, 1), {"fmt": FP, "red": FP}),
    Call(fakequant.rms_norm, (X, X, 0.5), {"fmt": FP, "red": FP}),
    Call(fakequant.layer_norm, (X, X, X, 0.5), {"fmt": FP, "red": FP}),
    Call(fakequant.attention, TORCH_QKV, {"p_mx": MX}, MACHINE),
]
"""Ops, and functions that need arguments of their own."""


def public_functions() -> list[Callable[..., Any]]:
    """Every public function that takes a format."""
    found = (
        getattr(module, name) for module in (golden, ops, fakequant) for name in module.__all__
    )
    return [function for function in found if inspect.isfunction(function) and formats_of(function)]


def formats_of(function: Callable[..., Any]) -> dict[str, str]:
    """Return the hints of the parameters that are formats."""
    hints = {n: str(p.annotation) for n, p in inspect.signature(function).parameters.items()}
    return {name: hint for name, hint in hints.items() if KINDS.search(hint)}


def plain_call(function: Callable[..., Any]) -> Call:
    """Call a torch function of values of one scalar format, such as add."""
    required = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty and name != "fmt"
    ]
    return Call(function, (X,) * len(required), {"fmt": FP})


CALLS = [
    *OWN_CALLS,
    *(
        plain_call(function)
        for function in public_functions()
        if function.__module__.startswith(fakequant.__name__)
        and function not in [call.function for call in OWN_CALLS]
    ),
]


def test_every_public_function_is_called() -> None:
    called = {call.function: set(call.formats) for call in CALLS}
    for function in public_functions():
        assert called.get(function) == set(formats_of(function)), function.__qualname__
        assert all(hint.endswith("| str") for hint in formats_of(function).values())


def same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert set(a) == set(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (np.ndarray, torch.Tensor)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    else:
        assert a == b


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_name_gives_what_its_format_gives(call: Call) -> None:
    by_name = call.result(call.formats)
    by_format = call.result({key: as_named(fmt) for key, fmt in call.formats.items()})
    assert len(by_name) == len(by_format)
    for one, other in zip(by_name, by_format, strict=True):
        same(one, other)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_another_kind_of_format_is_one_error(call: Call) -> None:
    right = {key: as_named(fmt) for key, fmt in call.formats.items()}
    for argument, fmt in call.formats.items():
        said, other = [], WRONG.get(fmt, MX)
        for wrong in (other, get_format(other)):
            with pytest.raises(
                FormatError, match=r"^need an? (Minifloat|Mx|format with)"
            ) as caught:
                call.result({**right, argument: wrong})
            said.append(str(caught.value))
        assert said[0] == said[1]
        missed, meant, kind = ("mx66", "mx6", "block ") if fmt == MICRO else ("bf61", "bf16", "")
        words = rf"^unknown {kind}format '{missed}'.*Did you mean '{meant}'"
        with pytest.raises(FormatError, match=words):
            call.result({**right, argument: missed})
