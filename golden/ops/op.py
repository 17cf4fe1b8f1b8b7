"""What an operation is to every layer: its golden function, its block's ports and parameters."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import Enum
from functools import cache
from math import prod
from typing import Any, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from ..blocks.formats import PAIR, MicroMx, as_named
from ..codec import NanReplacedWarning
from ..formats import (
    FormatError,
    Mx,
    Overflow,
    Rounding,
    ScaleRule,
    as_enum,
    as_format,
    sv_rounding,
)
from .hbm import block_bytes

CodeArray = npt.NDArray[Any]
Arguments = Mapping[str, Any]
"""Format arguments (Minifloat, FixedPoint, Mx, MicroMx) and sizes (int) of an op, by name."""

_PRODUCTS = {("a", "b"): "depth", ("q", "k"): "depth", ("p", "v"): "keys"}
"""Format arguments whose blocks are multiplied, and the size along which they run."""

_WIDTHS = {"flag": 1, "byte": 8}

EVERY_MODE = ("rounding", "overflow", "inverse")
"""What golden and gates of an op may take beside its formats and sizes."""


class Family(Enum):
    """Ops with the same kind of ports and of arithmetic: they share cases, proofs and costs."""

    BINARY = "binary"
    """Two codes of one format, one rounding of an exact result."""
    CHOICE = "choice"
    """Two codes of one format, compared."""
    SIGN = "sign"
    """One code, of which only the sign changes."""
    UNARY = "unary"
    """A correctly rounded function of one code."""
    CAST = "cast"
    """One scalar format to another."""
    QUANTISE = "quantise"
    """A block of numbers to an MX block."""
    DEQUANTISE = "dequantise"
    """An MX block to scalar codes."""
    SCALE = "scale"
    """Numbers to codes with a scale that is any number."""
    DOT = "dot"
    """Products of MX blocks, summed in an accumulator."""
    SCALED_DOT = "scaled_dot"
    """Products of blocks whose scales are minifloats, summed in an accumulator."""
    MATRIX = "matrix"
    """Products of MX matrices, a slice of the sum a beat."""
    REDUCTION = "reduction"
    """A vector to one code."""
    TRANSFORM = "transform"
    """A linear map of a vector's lanes."""
    ACTIVATION = "activation"
    """Lane by lane, of exponentials and reciprocals."""
    ROW = "row"
    """Of a whole row, with reductions in a format of their own."""
    ATTENTION = "attention"
    """Products of MX matrices with a softmax between them."""


@cache
def _kinds(golden: Callable[..., Any], argument: str) -> tuple[type, ...]:
    """Return the classes that a function's hints allow for an argument; none where it says Any."""
    hint = get_type_hints(golden).get(argument, Any)
    return () if hint is Any else get_args(hint) or (hint,)


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

    def width_bits(self, arguments: Arguments) -> int:
        """Width of one lane."""
        if self.kind in _WIDTHS:
            return _WIDTHS[self.kind]
        fmt = arguments[self.fmt]
        if isinstance(fmt, MicroMx):
            fmt = fmt.mx
        if isinstance(fmt, Mx):
            return fmt.scale_bits if self.kind == "scale" else fmt.element.width_bits
        width: int = fmt.width_bits
        return width

    def lanes(self, arguments: Arguments) -> int:
        """Number of lanes."""
        return self.count(arguments) if self.count else 1

    def is_array(self) -> bool:
        """Whether arrays for this port have shape (n, lanes)."""
        return self.count is not None


def block_of(argument: str) -> Callable[[Arguments], int]:
    """Return the count of a port that carries one block of an MX format."""
    return lambda arguments: int(arguments[argument].block_size)


def pairs_of(argument: str) -> Callable[[Arguments], int]:
    """Return the count of a port with the micro-exponents of one block."""
    return lambda arguments: int(arguments[argument].block_size) // PAIR


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


def without_micro(arguments: Arguments) -> dict[str, Any]:
    """Return arguments with the MXINT of its elements and scales for each MicroMx.

    What a port of codes or scales carries is the same.
    """
    return {
        name: given.mx if isinstance(given, MicroMx) else given for name, given in arguments.items()
    }


@dataclass(frozen=True)
class Op:
    """One operation in both worlds.

    Attributes:
        name: the op and its block, e.g. `fp_mul`.
        golden: function (*input arrays, **formats, **modes) -> array or tuple of arrays. It gets
            those sizes that it has arguments for; the others it sees in the arrays.
        summary: one line for tables.
        family: ops that are treated alike.
        formats: format arguments, each with the prefix of its SystemVerilog parameter.
        sizes: integer arguments (lanes, rows …), each with its SystemVerilog parameter.
        inputs, outputs: data ports in the order of golden's arguments and results.
        modes: which of EVERY_MODE golden and the module accept.
        stateful: results depend on earlier vectors of the same run (after a reset); a flag port
            called `first` starts anew.
        result_when: the flag port that says which beats have a result; "" where all do. Golden
            returns a row for every beat all the same.
        max_width_bits: widest format `fmt` that the module is built for.
        built_for: names of the only formats that the module is built for, by argument; any where an
            argument is not among them.
        check: of the resolved arguments; a FormatError where sizes do not go together.
    """

    name: str
    golden: Callable[..., Any]
    summary: str
    family: Family
    _: KW_ONLY
    formats: Mapping[str, str]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    sizes: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
    stateful: bool = False
    result_when: str = ""
    max_width_bits: int = 32
    built_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    check: Callable[[Arguments], None] | None = None

    @property
    def module(self) -> str:
        """The SystemVerilog module."""
        return f"plena_{self.name}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the format and size arguments."""
        return (*self.formats, *self.sizes)

    def sv_parameters(
        self,
        *,
        rounding: Rounding | str = Rounding.RNE,
        overflow: Overflow | str = Overflow.SATURATE,
        inverse: bool = False,
        **arguments: Any,
    ) -> dict[str, int]:
        """Return the SystemVerilog parameters of the block.

        Args:
            rounding, overflow, inverse: modes, for ops that have them.
            **arguments: the op's formats and sizes.

        Raises:
            FormatError: other arguments than the op's, or a mode that gates do not have.
        """
        arguments = self.resolve(arguments)
        parameters: dict[str, int] = {}
        for argument, prefix in self.formats.items():
            parameters |= self._built(argument, arguments[argument]).sv_parameters(prefix)
        parameters |= {parameter: arguments[size] for size, parameter in self.sizes.items()}
        if "rounding" in self.modes:
            parameters["Rounding"] = sv_rounding(rounding)
        if "overflow" in self.modes:
            limit = as_enum(Overflow, overflow, "overflow mode")
            parameters["Saturate"] = int(limit is Overflow.SATURATE)
        if "inverse" in self.modes:
            if not isinstance(inverse, bool):
                raise FormatError(f"{self.name}: inverse must be True or False, got {inverse!r}")
            parameters["Inverse"] = int(inverse)
        return parameters

    def _built(self, argument: str, fmt: Any) -> Any:
        """Return a format as it matters to the block, so that equal gates are built once.

        How the blocks of a format that only comes in were made does not matter.
        """
        if isinstance(fmt, Mx) and argument in {port.fmt for port in self.inputs}:
            return replace(fmt, scale_rule=ScaleRule.FLOOR, symmetric=True, rounding=Rounding.RNE)
        return fmt

    def resolve(self, arguments: Arguments) -> dict[str, Any]:
        """Return the arguments with formats for their names.

        Args:
            arguments: the op's formats (or their names) and sizes.

        Raises:
            FormatError: not exactly the op's arguments, a format of a kind that golden does not
                take or that is too wide, a size that is no positive integer, or blocks and sizes
                that do not fit each other.
        """
        if set(arguments) != set(self.arguments):
            sizes = f" and the sizes {', '.join(self.sizes)}" if self.sizes else ""
            raise FormatError(
                f"{self.name} takes the formats {', '.join(self.formats)}{sizes}; got "
                f"{', '.join(arguments) or 'none'}"
            )
        found = dict(arguments)
        for name in self.formats:
            found[name] = self._as_format(name, arguments[name])
            self._check_kind(name, found[name])
        for size in self.sizes:
            given = arguments[size]
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise FormatError(f"{self.name}: {size} must be a positive integer, got {given!r}")
        self._check_blocks(found)
        if self.check is not None:
            self.check(found)
        fmt = found.get("fmt")
        if fmt is not None and fmt.width_bits > self.max_width_bits:
            raise FormatError(
                f"{self.name} is built for formats of up to {self.max_width_bits} bits; "
                f"{fmt.name} has {fmt.width_bits}"
            )
        return found

    def _as_format(self, argument: str, given: Any) -> Any:
        """Return the format of a name, and what is no name as it is."""
        return (as_named if MicroMx in _kinds(self.golden, argument) else as_format)(given)

    def narrowest(self, argument: str, otherwise: str) -> Any:
        """Return the narrowest format that the module is built for, for examples.

        Args:
            argument: a format argument.
            otherwise: name of the format where the module is built for any.
        """
        formats = [as_format(name) for name in self.built_for.get(argument, (otherwise,))]
        return min(formats, key=lambda fmt: int(fmt.width_bits))

    def _check_kind(self, argument: str, fmt: Any) -> None:
        """FormatError unless golden and gates take this format for an argument."""
        kinds = tuple(kind for kind in _kinds(self.golden, argument) if kind is not str)
        if kinds and not isinstance(fmt, kinds):
            words = " or ".join(kind.__name__ for kind in kinds)
            raise FormatError(f"{self.name}: {argument} must be a {words}, got {fmt.name}")
        names = self.built_for.get(argument, ())
        if names and fmt not in [as_format(name) for name in names]:
            raise FormatError(
                f"{self.name}: {argument} must be one of {', '.join(names)}, got {fmt.name}"
            )

    def _check_blocks(self, arguments: Arguments) -> None:
        """FormatError unless the blocks of a product's sides, and its sizes, belong together."""
        for (left, right), size in _PRODUCTS.items():
            if left not in self.formats or right not in self.formats:
                continue
            a, b = arguments[left], arguments[right]
            if a.block_size != b.block_size:
                raise FormatError(
                    f"{self.name}: {left} and {right} need one block size, got {a.name} with "
                    f"{a.block_size} and {b.name} with {b.block_size}"
                )
            if size in self.sizes and arguments[size] % a.block_size:
                raise FormatError(
                    f"{self.name}: {size} must be a multiple of the block size {a.block_size} of "
                    f"{left} and {right}, got {arguments[size]}"
                )

    def result_beats(self, inputs: Mapping[str, CodeArray]) -> npt.NDArray[np.intp]:
        """Return the indices of the beats that have a result."""
        if self.result_when:
            return np.flatnonzero(inputs[self.result_when])
        return np.arange(len(inputs[self.inputs[0].name]))

    def run_golden(
        self, inputs: Mapping[str, CodeArray], **arguments_and_modes: Any
    ) -> dict[str, CodeArray]:
        """Return golden's outputs by port name, of the beats that have a result.

        Args:
            inputs: arrays by port name.
            **arguments_and_modes: the op's formats, sizes and modes.
        """
        arrays = [inputs[port.name] for port in self.inputs]
        taken = inspect.signature(self.golden).parameters
        # Sizes that golden does not ask for are those of its arrays.
        given = {k: v for k, v in arguments_and_modes.items() if k in taken or k not in self.sizes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanReplacedWarning)  # gates have no way to warn
            results = self.golden(*arrays, **given)
        if not isinstance(results, tuple):
            results = (results,)
        named = zip(self.outputs, results, strict=True)
        if not self.result_when:
            return {port.name: np.asarray(rows) for port, rows in named}
        beats = self.result_beats(inputs)
        return {port.name: np.asarray(rows)[beats] for port, rows in named}
