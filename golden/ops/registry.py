"""The operations that golden and gates share: one line an op.

The vector player, the cocotb bench, the regression and the docs read this table; nothing about an
operation's ports or parameters is typed anywhere else.
"""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import NanReplacedWarning
from ..formats import FormatError, Mx, Overflow, Rounding, as_enum, sv_rounding
from .add import add, sub
from .attention_step import attention_step
from .cast import cast
from .compare import compare
from .convert import fp_to_mx, mx_to_fp
from .dot import mx_dot
from .exp import exp, exp2
from .gelu import gelu_sigmoid, gelu_tanh
from .hadamard import hadamard
from .hbm import block_bytes, hbm_load, hbm_store
from .layer_norm import layer_norm
from .max import max, min
from .mul import mul
from .mx_mm import mx_bmm, mx_mm, mx_mv
from .mx_pe import mx_pe
from .mx_tile import mx_tile
from .online_softmax import online_softmax
from .reciprocal import reciprocal
from .reduce import reduce_max, reduce_sum
from .requantize import mx_requantize
from .rms_norm import rms_norm
from .rope import rope
from .sigmoid import sigmoid
from .sign import abs, neg
from .silu import silu, swiglu
from .softmax import softmax
from .sqrt import rsqrt, sqrt

CodeArray = npt.NDArray[Any]
Arguments = Mapping[str, Any]
"""Format arguments (Minifloat, FixedPoint, Mx) and sizes (int) of an op, by name."""


_WIDTHS = {"flag": 1, "byte": 8}


@dataclass(frozen=True)
class Port:
    """One data port of a block.

    Attributes:
        name: without direction suffix; the SystemVerilog port is `{name}_i` or `{name}_o`.
        fmt: which format argument of the op gives its width; "" for flags.
        kind: "code" (of a scalar format), "element" or "scale" (of an MX format), "byte" (of
            packed blocks), or "flag".
        count: number of lanes from the op's arguments; None where arrays have shape (n,).
    """

    name: str
    fmt: str
    kind: str = "code"
    count: Callable[[Arguments], int] | None = None

    def width_bits(self, formats: Arguments) -> int:
        """Width of one lane."""
        if self.kind in _WIDTHS:
            return _WIDTHS[self.kind]
        fmt = formats[self.fmt]
        if isinstance(fmt, Mx):
            return fmt.scale_bits if self.kind == "scale" else fmt.element.width_bits
        width: int = fmt.width_bits
        return width

    def lanes(self, formats: Arguments) -> int:
        """Number of lanes."""
        return self.count(formats) if self.count else 1

    def is_array(self) -> bool:
        """Whether arrays for this port have shape (n, lanes)."""
        return self.count is not None


def block_of(argument: str) -> Callable[[Arguments], int]:
    """Return the count of a port that carries one block of an MX format."""
    return lambda arguments: int(arguments[argument].block_size)


def bytes_of(argument: str) -> Callable[[Arguments], int]:
    """Return the count of a port that carries one packed block of an MX format."""
    return lambda arguments: block_bytes(arguments[argument])


def blocks_of(argument: str, *sizes: str) -> Callable[[Arguments], int]:
    """Return the count of a port with a lane for each block of an MX format in so many elements."""
    elements, block = product_of(*sizes), block_of(argument)
    return lambda arguments: elements(arguments) // block(arguments)


def product_of(*sizes: str) -> Callable[[Arguments], int]:
    """Return the count of a port with as many lanes as the product of size arguments."""
    return lambda arguments: prod(arguments[size] for size in sizes)


def _rope_lanes(arguments: Arguments) -> int:
    return 2 * int(arguments["groups"]) * int(arguments["stride"])


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation in both worlds.

    Attributes:
        name: the op and its block, e.g. `fp_mul`.
        golden: function (*input arrays, **formats, **modes) -> array or tuple of arrays. It gets
            those sizes that it has arguments for; the others it sees in the arrays.
        module: SystemVerilog module.
        formats: format arguments, each with the prefix of its SystemVerilog parameters.
        sizes: integer arguments (lanes, rows …), each with its SystemVerilog parameter.
        inputs, outputs: data ports in the order of golden's arguments and results.
        modes: which of "rounding" and "overflow" golden and the module accept.
        stateful: results depend on earlier vectors of the same run (after a reset); a flag port
            called `first` starts anew.
        emits: the flag port that says which beats have a result; "" where all do. Golden returns
            a row for every beat all the same.
        summary: one line for tables.
        unused: parameters of its formats that the module does not have.
        max_width_bits: widest format `fmt` that the module is built for.
    """

    name: str
    golden: Callable[..., Any]
    module: str
    formats: Mapping[str, str]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    sizes: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
    stateful: bool = False
    emits: str = ""
    summary: str = ""
    unused: tuple[str, ...] = ()
    max_width_bits: int = 32

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the format and size arguments."""
        return (*self.formats, *self.sizes)

    def sv_parameters(
        self,
        *,
        rounding: Rounding | str = Rounding.RNE,
        overflow: Overflow | str = Overflow.SATURATE,
        **formats: Any,
    ) -> dict[str, int]:
        """Return the SystemVerilog parameters of the block for these formats, sizes and modes."""
        self.check_formats(formats)
        parameters: dict[str, int] = {}
        for argument, prefix in self.formats.items():
            parameters |= formats[argument].sv_parameters(prefix)
        for key in self.unused:
            parameters.pop(key, None)
        parameters |= {parameter: formats[size] for size, parameter in self.sizes.items()}
        if "rounding" in self.modes:
            parameters["Rounding"] = sv_rounding(rounding)
        if "overflow" in self.modes:
            limit = as_enum(Overflow, overflow, "overflow mode")
            parameters["Saturate"] = int(limit is Overflow.SATURATE)
        return parameters

    def check_formats(self, formats: Arguments) -> None:
        """FormatError unless exactly the op's formats (not too wide) and sizes are given."""
        if set(formats) != set(self.arguments):
            sizes = f" and the sizes {', '.join(self.sizes)}" if self.sizes else ""
            raise FormatError(
                f"{self.name} takes the formats {', '.join(self.formats)}{sizes}; got "
                f"{', '.join(formats) or 'none'}"
            )
        for size in self.sizes:
            given = formats[size]
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise FormatError(f"{self.name}: {size} must be a positive integer, got {given!r}")
        fmt = formats.get("fmt")
        if fmt is not None and fmt.width_bits > self.max_width_bits:
            raise FormatError(
                f"{self.name} is built for formats of up to {self.max_width_bits} bits; "
                f"{fmt.name} has {fmt.width_bits}"
            )

    def result_beats(self, inputs: Mapping[str, CodeArray]) -> npt.NDArray[np.intp]:
        """Return the indices of the beats that have a result."""
        if self.emits:
            return np.flatnonzero(inputs[self.emits])
        return np.arange(len(inputs[self.inputs[0].name]))

    def run_golden(
        self, inputs: Mapping[str, CodeArray], **formats_and_modes: Any
    ) -> dict[str, CodeArray]:
        """Return golden's outputs by port name, of the beats that have a result.

        Args:
            inputs: arrays by port name.
            **formats_and_modes: the op's formats, sizes and modes.
        """
        arrays = [inputs[port.name] for port in self.inputs]
        taken = inspect.signature(self.golden).parameters
        # Sizes that golden does not ask for are those of its arrays.
        given = {k: v for k, v in formats_and_modes.items() if k in taken or k not in self.sizes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanReplacedWarning)  # gates have no way to warn
            results = self.golden(*arrays, **given)
        if not isinstance(results, tuple):
            results = (results,)
        named = zip(self.outputs, results, strict=True)
        if not self.emits:
            return {port.name: np.asarray(rows) for port, rows in named}
        beats = self.result_beats(inputs)
        return {port.name: np.asarray(rows)[beats] for port, rows in named}


_QUANTISER = ("ScaleRule", "Symmetric", "Rounding")
_DOT_UNUSED = tuple(f"{s}{key}" for s in "AB" for key in _QUANTISER)

_LANES = product_of("lanes")


_BINARY = {
    "formats": {"fmt": ""},
    "inputs": (Port("a", "fmt"), Port("b", "fmt")),
    "outputs": (Port("y", "fmt"),),
    "modes": ("rounding", "overflow"),
}

_CHOICE = {
    "formats": {"fmt": ""},
    "inputs": (Port("a", "fmt"), Port("b", "fmt")),
    "outputs": (Port("y", "fmt"),),
}

_SIGN = {
    "formats": {"fmt": ""},
    "inputs": (Port("a", "fmt"),),
    "outputs": (Port("y", "fmt"),),
}

_REDUCTION = {
    "formats": {"src": "Src", "dst": "Dst"},
    "sizes": {"lanes": "Lanes"},
    "inputs": (
        Port("x", "src", count=product_of("lanes")),
        Port("mask", "", "flag", product_of("lanes")),
        Port("seed", "dst"),
    ),
    "outputs": (Port("y", "dst"),),
}

_UNARY = {
    "formats": {"fmt": ""},
    "inputs": (Port("a", "fmt"),),
    "outputs": (Port("y", "fmt"),),
    "modes": ("rounding", "overflow"),
    "max_width_bits": 16,
}

_ACTIVATION = {
    "formats": {"fmt": ""},
    "sizes": {"lanes": "Lanes"},
    "inputs": (Port("x", "fmt", count=_LANES),),
    "outputs": (Port("y", "fmt", count=_LANES),),
    "max_width_bits": 16,
}

_ROW = {
    "formats": {"fmt": "", "red": "Red"},
    "sizes": {"lanes": "Lanes"},
    "max_width_bits": 16,
}


def _matrix_op(name: str, golden: Callable[..., Any], summary: str, *sizes: str) -> Op:
    """Return a product of matrices, a slice of K a beat, with these sizes beside cols and depth."""
    rows, cols = (*sizes, "depth"), (*(size for size in sizes if size == "heads"), "cols", "depth")
    return Op(
        name=name,
        golden=golden,
        module=f"plena_{name}",
        summary=summary,
        formats={"a": "A", "b": "B", "acc": "Acc", "v": "V"},
        sizes={size: size.capitalize() for size in (*sizes, "cols", "depth")},
        inputs=(
            Port("a_codes", "a", "element", product_of(*rows)),
            Port("a_scale", "a", "scale", blocks_of("a", *rows)),
            Port("b_codes", "b", "element", product_of(*cols)),
            Port("b_scale", "b", "scale", blocks_of("b", *cols)),
            Port("transposed", "", "flag"),
            Port("first", "", "flag"),
            Port("write", "", "flag"),
        ),
        outputs=(Port("y", "v", count=product_of(*sizes, "cols")),),
        stateful=True,
        emits="write",
        unused=_DOT_UNUSED,
    )


OPS: dict[str, Op] = {
    op.name: op
    for op in (
        Op(
            name="fp_add",
            golden=add,
            module="plena_fp_add",
            summary="correctly rounded sum",
            **_BINARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_sub",
            golden=sub,
            module="plena_fp_sub",
            summary="correctly rounded difference",
            **_BINARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_mul",
            golden=mul,
            module="plena_fp_mul",
            summary="correctly rounded product",
            **_BINARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_max",
            golden=max,
            module="plena_fp_max",
            summary="the larger operand; a NaN loses",
            **_CHOICE,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_min",
            golden=min,
            module="plena_fp_min",
            summary="the smaller operand; a NaN loses",
            **_CHOICE,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_neg",
            golden=neg,
            module="plena_fp_neg",
            summary="sign bit flipped",
            **_SIGN,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_abs",
            golden=abs,
            module="plena_fp_abs",
            summary="sign bit cleared",
            **_SIGN,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_compare",
            golden=compare,
            module="plena_fp_compare",
            summary="less, equal, unordered",
            formats={"fmt": ""},
            inputs=(Port("a", "fmt"), Port("b", "fmt")),
            outputs=tuple(Port(name, "", "flag") for name in ("less", "equal", "unordered")),
        ),
        Op(
            name="fp_cast",
            golden=cast,
            module="plena_fp_cast",
            summary="one scalar format to another",
            formats={"src": "Src", "dst": "Dst"},
            inputs=(Port("a", "src"),),
            outputs=(Port("y", "dst"),),
            modes=("rounding", "overflow"),
        ),
        Op(
            name="fp_to_mx",
            golden=fp_to_mx,
            module="plena_fp_to_mx",
            summary="a block of scalar codes to MX codes and their scale",
            formats={"src": "Src", "mx": ""},
            inputs=(Port("x", "src", count=block_of("mx")),),
            outputs=(Port("codes", "mx", "element", block_of("mx")), Port("scale", "mx", "scale")),
        ),
        Op(
            name="mx_to_fp",
            golden=mx_to_fp,
            module="plena_mx_to_fp",
            summary="an MX block to scalar codes",
            formats={"mx": "", "dst": "Dst"},
            inputs=(Port("codes", "mx", "element", block_of("mx")), Port("scale", "mx", "scale")),
            outputs=(Port("y", "dst", count=block_of("mx")),),
            modes=("rounding", "overflow"),
            unused=("ScaleRule", "Symmetric"),
        ),
        Op(
            name="mx_requantize",
            golden=mx_requantize,
            module="plena_mx_requantize",
            summary="an MX block to one of another format, from its exact values",
            formats={"src": "Src", "dst": "Dst"},
            inputs=(
                Port("codes", "src", "element", block_of("src")),
                Port("scale", "src", "scale"),
            ),
            outputs=(
                Port("codes", "dst", "element", block_of("dst")),
                Port("scale", "dst", "scale"),
            ),
            unused=("SrcScaleRule", "SrcSymmetric", "SrcRounding"),
        ),
        Op(
            name="hbm_store",
            golden=hbm_store,
            module="plena_hbm_store",
            summary="a block of scalar codes to packed MX bytes",
            formats={"src": "Src", "mx": ""},
            inputs=(Port("x", "src", count=block_of("mx")),),
            outputs=(Port("data", "mx", "byte", bytes_of("mx")),),
        ),
        Op(
            name="hbm_load",
            golden=hbm_load,
            module="plena_hbm_load",
            summary="packed MX bytes to scalar codes",
            formats={"mx": "", "dst": "Dst"},
            inputs=(Port("data", "mx", "byte", bytes_of("mx")),),
            outputs=(Port("y", "dst", count=block_of("mx")),),
            modes=("rounding", "overflow"),
            unused=("ScaleRule", "Symmetric"),
        ),
        Op(
            name="mx_dot",
            golden=mx_dot,
            module="plena_mx_dot",
            summary="exact block dot, one rounding, ordered accumulate",
            formats={"a": "A", "b": "B", "acc": "Acc"},
            inputs=(
                Port("a_codes", "a", "element", block_of("a")),
                Port("a_scale", "a", "scale"),
                Port("b_codes", "b", "element", block_of("b")),
                Port("b_scale", "b", "scale"),
                Port("first", "", "flag"),
            ),
            outputs=(Port("acc", "acc"),),
            stateful=True,
            unused=_DOT_UNUSED,
        ),
        Op(
            name="reduce_sum",
            golden=reduce_sum,
            module="plena_reduce_sum",
            summary="seed + sum of the masked lanes, a balanced tree (V_RED_SUM)",
            **_REDUCTION,  # type: ignore[arg-type]
        ),
        Op(
            name="reduce_max",
            golden=reduce_max,
            module="plena_reduce_max",
            summary="largest of seed and masked lanes (V_RED_MAX)",
            **_REDUCTION,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_reciprocal",
            golden=reciprocal,
            module="plena_fp_reciprocal",
            summary="correctly rounded 1 / a",
            **_UNARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_sqrt",
            golden=sqrt,
            module="plena_fp_sqrt",
            summary="correctly rounded square root",
            **_UNARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_rsqrt",
            golden=rsqrt,
            module="plena_fp_rsqrt",
            summary="correctly rounded 1 / sqrt(a)",
            **_UNARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_exp",
            golden=exp,
            module="plena_fp_exp",
            summary="correctly rounded e^a",
            **_UNARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_exp2",
            golden=exp2,
            module="plena_fp_exp2",
            summary="correctly rounded 2^a",
            **_UNARY,  # type: ignore[arg-type]
        ),
        Op(
            name="fp_sigmoid",
            golden=sigmoid,
            module="plena_fp_sigmoid",
            summary="correctly rounded 1 / (1 + e^-a)",
            **_UNARY,  # type: ignore[arg-type]
        ),
        Op(
            name="mx_pe",
            golden=mx_pe,
            module="plena_mx_pe",
            summary="processing element: a pair of elements a beat, ordered sum of blocks",
            formats={"a": "A", "b": "B", "acc": "Acc"},
            inputs=(
                Port("a_codes", "a", "element"),
                Port("a_scale", "a", "scale"),
                Port("b_codes", "b", "element"),
                Port("b_scale", "b", "scale"),
                Port("first", "", "flag"),
            ),
            outputs=(Port("acc", "acc"),),
            stateful=True,
            unused=_DOT_UNUSED,
        ),
        Op(
            name="mx_tile",
            golden=mx_tile,
            module="plena_mx_tile",
            summary="systolic tile of processing elements, one step of K a beat",
            formats={"a": "A", "b": "B", "acc": "Acc", "v": "V"},
            sizes={"rows": "Rows", "cols": "Cols"},
            inputs=(
                Port("a_codes", "a", "element", product_of("rows")),
                Port("a_scale", "a", "scale", product_of("rows")),
                Port("b_codes", "b", "element", product_of("cols")),
                Port("b_scale", "b", "scale", product_of("cols")),
                Port("first", "", "flag"),
                Port("write", "", "flag"),
            ),
            outputs=(Port("y", "v", count=product_of("rows", "cols")),),
            stateful=True,
            emits="write",
            unused=_DOT_UNUSED,
        ),
        _matrix_op("mx_mm", mx_mm, "matrix @ matrix, a slice of K a beat", "rows"),
        _matrix_op("mx_mv", mx_mv, "vector @ matrix, a slice of K a beat"),
        _matrix_op("mx_bmm", mx_bmm, "matrix @ matrix for each of several heads", "heads", "rows"),
        Op(
            name="rope",
            golden=rope,
            module="plena_rope",
            summary="rotary position embedding",
            formats={"fmt": ""},
            sizes={"groups": "Groups", "stride": "Stride"},
            inputs=tuple(Port(name, "fmt", count=_rope_lanes) for name in ("x", "cos", "sin")),
            outputs=(Port("y", "fmt", count=_rope_lanes),),
        ),
        Op(
            name="hadamard",
            golden=hadamard,
            module="plena_hadamard",
            summary="orthonormal Hadamard transform of blocks of a power of two",
            formats={"fmt": ""},
            sizes={"lanes": "Lanes"},
            inputs=(Port("x", "fmt", count=_LANES),),
            outputs=(Port("y", "fmt", count=_LANES),),
        ),
        Op(
            name="silu",
            golden=silu,
            module="plena_silu",
            summary="x times its sigmoid, by exponential and reciprocal",
            **_ACTIVATION,  # type: ignore[arg-type]
        ),
        Op(
            name="swiglu",
            golden=swiglu,
            module="plena_swiglu",
            summary="silu(gate) times up",
            formats={"fmt": ""},
            sizes={"lanes": "Lanes"},
            inputs=(Port("gate", "fmt", count=_LANES), Port("up", "fmt", count=_LANES)),
            outputs=(Port("y", "fmt", count=_LANES),),
            max_width_bits=16,
        ),
        Op(
            name="gelu_sigmoid",
            golden=gelu_sigmoid,
            module="plena_gelu_sigmoid",
            summary="x times the sigmoid of 1.702 x",
            **_ACTIVATION,  # type: ignore[arg-type]
        ),
        Op(
            name="gelu_tanh",
            golden=gelu_tanh,
            module="plena_gelu_tanh",
            summary="GELU by the hyperbolic tangent",
            **_ACTIVATION,  # type: ignore[arg-type]
        ),
        Op(
            name="softmax",
            golden=softmax,
            module="plena_softmax",
            summary="softmax of one row",
            inputs=(Port("x", "fmt", count=_LANES), Port("mask", "", "flag", _LANES)),
            outputs=(Port("y", "fmt", count=_LANES),),
            **_ROW,  # type: ignore[arg-type]
        ),
        Op(
            name="online_softmax",
            golden=online_softmax,
            module="plena_online_softmax",
            summary="one block of a row after another: p, c, l, m",
            inputs=(
                Port("x", "fmt", count=_LANES),
                Port("mask", "", "flag", _LANES),
                Port("first", "", "flag"),
            ),
            outputs=(
                Port("p", "fmt", count=_LANES),
                *(Port(name, "fmt") for name in ("c", "l", "m")),
            ),
            stateful=True,
            **_ROW,  # type: ignore[arg-type]
        ),
        Op(
            name="attention_step",
            golden=attention_step,
            module="plena_attention_step",
            summary="attention, a query and a block of keys a beat",
            formats={"q": "Q", "k": "K", "p": "P", "v": "V", "acc": "Acc", "fmt": "", "red": "Red"},
            sizes={"keys": "Keys", "depth": "Depth", "cols": "Cols"},
            inputs=(
                Port("q_codes", "q", "element", product_of("depth")),
                Port("q_scale", "q", "scale", blocks_of("q", "depth")),
                Port("k_codes", "k", "element", product_of("keys", "depth")),
                Port("k_scale", "k", "scale", blocks_of("k", "keys", "depth")),
                Port("v_codes", "v", "element", product_of("cols", "keys")),
                Port("v_scale", "v", "scale", blocks_of("v", "cols", "keys")),
                Port("mask", "", "flag", product_of("keys")),
                Port("first", "", "flag"),
                Port("last", "", "flag"),
            ),
            outputs=(Port("y", "fmt", count=product_of("cols")),),
            stateful=True,
            emits="last",
            unused=tuple(f"{s}{key}" for s in "QKV" for key in _QUANTISER),
            max_width_bits=16,
        ),
        Op(
            name="rms_norm",
            golden=rms_norm,
            module="plena_rms_norm",
            summary="one row divided by its root mean square, times a gain",
            inputs=(*(Port(n, "fmt", count=_LANES) for n in ("x", "gamma")), Port("eps", "fmt")),
            outputs=(Port("y", "fmt", count=_LANES),),
            **_ROW,  # type: ignore[arg-type]
        ),
        Op(
            name="layer_norm",
            golden=layer_norm,
            module="plena_layer_norm",
            summary="layer normalisation of one row",
            inputs=(
                *(Port(n, "fmt", count=_LANES) for n in ("x", "gamma", "beta")),
                Port("eps", "fmt"),
            ),
            outputs=(Port("y", "fmt", count=_LANES),),
            **_ROW,  # type: ignore[arg-type]
        ),
    )
}


def get_op(name: str) -> Op:
    """Return the op called `name`; FormatError names the nearest known one."""
    if name not in OPS:
        close = difflib.get_close_matches(name, OPS, n=1)
        hint = f". Did you mean {close[0]!r}?" if close else ""
        raise FormatError(f"unknown op {name!r}; known: {', '.join(OPS)}{hint}")
    return OPS[name]
