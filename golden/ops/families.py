"""Families of operations: how an op of each is made from its name and golden function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .op import Arguments, Family, Op, Port, block_of, blocks_of, pairs_of, product_of

Golden = Callable[..., Any]
Count = Callable[[Arguments], int]
Ports = tuple[Port, ...]

FMT = {"fmt": ""}
ELEMENT_AND_SCALE = {"element": "Elem", "scale": "Scale"}
LANES = {"lanes": "Lanes"}
MODES = ("rounding", "overflow")


def codes(*names: str, fmt: str = "fmt", count: Count | None = None) -> Ports:
    """Return ports with codes of a scalar format.

    Args:
        *names: one for each port.
        fmt: the op's argument that is the format.
        count: lanes of each port, from the op's arguments; None: arrays of shape (n,).
    """
    return tuple(Port(name, fmt, count=count) for name in names)


def vector(*names: str, fmt: str = "fmt") -> Ports:
    """Return ports with `lanes` codes of a scalar format."""
    return codes(*names, fmt=fmt, count=product_of("lanes"))


def flags(*names: str, count: Count | None = None) -> Ports:
    """Return ports with one bit a lane."""
    return tuple(Port(name, "", "flag", count) for name in names)


def block(fmt: str) -> Ports:
    """Return the ports of an MX block."""
    return Port("codes", fmt, "element", block_of(fmt)), Port("scale", fmt, "scale")


def micro_block(fmt: str, prefix: str = "") -> Ports:
    """Return the ports of a block with micro-exponents.

    Args:
        fmt: the op's argument that is the format.
        prefix: of the ports' names.
    """
    codes, scale = (replace(port, name=prefix + port.name) for port in block(fmt))
    return codes, *flags(f"{prefix}micro", count=pairs_of(fmt)), scale


def operand(fmt: str, elements: Count | None = None, scales: Count | None = None) -> Ports:
    """Return the ports of one side of a product: elements of an MX format, and their scales.

    Args:
        fmt: the op's argument that is the format; the ports are `{fmt}_codes` and `{fmt}_scale`.
        elements, scales: lanes of each, from the op's arguments; None: arrays of shape (n,).
    """
    codes, scale = f"{fmt}_codes", f"{fmt}_scale"
    return Port(codes, fmt, "element", elements), Port(scale, fmt, "scale", scales)


def matrix(fmt: str, *sizes: str) -> Ports:
    """Return the ports of a matrix of these sizes, or of a slice, in blocks along the last."""
    return operand(fmt, product_of(*sizes), blocks_of(fmt, *sizes))


Y, ROW = codes("y"), vector("y")


def binary_op(name: str, golden: Golden, summary: str) -> Op:
    """Return an op on two codes of one format that rounds once.

    Args:
        name: the op and its block, without the prefix of its module.
        golden: the function that defines it; it takes and gives an array for each port of the
            family, in the order of the ports, and takes the family's formats, sizes and modes.
        summary: one line for tables.
    """
    return Op(
        name,
        golden,
        summary,
        Family.BINARY,
        formats=FMT,
        inputs=codes("a", "b"),
        outputs=Y,
        modes=MODES,
    )


def choice_op(name: str, golden: Golden, summary: str, outputs: Ports = Y) -> Op:
    """Return an op that compares two codes of one format and rounds nothing.

    Args:
        name, golden, summary: as in `binary_op`.
        outputs: ports of the results; one code of the format by default.
    """
    inputs = codes("a", "b")
    return Op(name, golden, summary, Family.CHOICE, formats=FMT, inputs=inputs, outputs=outputs)


def sign_op(name: str, golden: Golden, summary: str) -> Op:
    """Return an op on one code's sign; arguments as `binary_op`."""
    inputs = codes("a")
    return Op(name, golden, summary, Family.SIGN, formats=FMT, inputs=inputs, outputs=Y)


def unary_op(name: str, golden: Golden, summary: str) -> Op:
    """Return a correctly rounded function of one code; its module has tables for 16 bits.

    Arguments as `binary_op`.
    """
    return Op(
        name,
        golden,
        summary,
        Family.UNARY,
        formats=FMT,
        inputs=codes("a"),
        outputs=Y,
        modes=MODES,
        max_width_bits=16,
    )


def quantise_op(name: str, golden: Golden, summary: str, outputs: Ports) -> Op:
    """Return an op from scalar codes to an MX block.

    Args:
        name, golden, summary: as in `binary_op`.
        outputs: ports of one block of the format `mx`.
    """
    return Op(
        name,
        golden,
        summary,
        Family.QUANTISE,
        formats={"src": "Src", "mx": ""},
        inputs=codes("x", fmt="src", count=block_of("mx")),
        outputs=outputs,
    )


def dequantise_op(name: str, golden: Golden, summary: str, inputs: Ports) -> Op:
    """Return an op from an MX block to scalar codes.

    Args:
        name, golden, summary: as in `binary_op`.
        inputs: ports of one block of the format `mx`.
    """
    return Op(
        name,
        golden,
        summary,
        Family.DEQUANTISE,
        formats={"mx": "", "dst": "Dst"},
        inputs=inputs,
        outputs=codes("y", fmt="dst", count=block_of("mx")),
        modes=MODES,
    )


def scale_op(
    name: str,
    golden: Golden,
    summary: str,
    inputs: Ports,
    *,
    outputs: Ports,
    formats: Mapping[str, str],
    sizes: Mapping[str, str] | None = None,
    built_for: Mapping[str, tuple[str, ...]],
) -> Op:
    """Return an op from codes of `src` to codes with a scale, by operations of `fmt`.

    Args:
        name, golden, summary: as in `binary_op`.
        inputs, outputs: ports of the numbers and of what is known of their scale; of the codes.
        formats: arguments of the results' formats, with the prefixes of their parameters.
        sizes, built_for: as in `Op`.
    """
    return Op(
        name,
        golden,
        summary,
        Family.SCALE,
        formats={"src": "Src", "fmt": "", **formats},
        sizes=sizes or {},
        inputs=inputs,
        outputs=outputs,
        built_for=built_for,
    )


def dot_op(name: str, golden: Golden, summary: str, a: Ports, b: Ports) -> Op:
    """Return an op that adds products of two MX operands to an accumulator.

    Args:
        name, golden, summary: as in `binary_op`.
        a, b: ports of each side, of the formats `a` and `b`; golden takes them in this order, then
            `first`.
    """
    return Op(
        name,
        golden,
        summary,
        Family.DOT,
        formats={"a": "A", "b": "B", "acc": "Acc"},
        inputs=(*a, *b, *flags("first")),
        outputs=codes("acc", fmt="acc"),
        stateful=True,
    )


def matrix_op(name: str, golden: Golden, summary: str, *sizes: str, inputs: Ports) -> Op:
    """Return a product of matrices, whose results show in the beats with `write`.

    Args:
        name, golden, summary: as in `binary_op`.
        *sizes: golden's arguments of size, "cols" among them: those up to it are the axes of the
            result, those after it only of the operands.
        inputs: ports beside `first` and `write`, which come last.
    """
    return Op(
        name,
        golden,
        summary,
        Family.MATRIX,
        formats={"a": "A", "b": "B", "acc": "Acc", "v": "V"},
        sizes={size: size.capitalize() for size in sizes},
        inputs=(*inputs, *flags("first", "write")),
        outputs=codes("y", fmt="v", count=product_of(*sizes[: 1 + sizes.index("cols")])),
        stateful=True,
        result_when="write",
    )


def sliced_matrix_op(name: str, golden: Golden, summary: str, *sizes: str) -> Op:
    """Return a product of matrices, a slice of K a beat.

    Args:
        name, golden, summary: as in `binary_op`.
        *sizes: golden's arguments of size before "cols" and "depth": the leading axes of A, of
            which B has only "heads".
    """
    rows, cols = (*sizes, "depth"), (*(size for size in sizes if size == "heads"), "cols", "depth")
    inputs = (*matrix("a", *rows), *matrix("b", *cols), *flags("transposed"))
    return matrix_op(name, golden, summary, *sizes, "cols", "depth", inputs=inputs)


def reduction_op(name: str, golden: Golden, summary: str) -> Op:
    """Return an op that adds or compares the masked lanes of a vector, and a seed.

    Arguments as `binary_op`.
    """
    mask = flags("mask", count=product_of("lanes"))
    return Op(
        name,
        golden,
        summary,
        Family.REDUCTION,
        formats={"src": "Src", "dst": "Dst"},
        sizes=LANES,
        inputs=(*vector("x", fmt="src"), *mask, *codes("seed", fmt="dst")),
        outputs=codes("y", fmt="dst"),
    )


def activation_op(name: str, golden: Golden, summary: str, *inputs: str) -> Op:
    """Return an op lane by lane.

    Args:
        name, golden, summary: as in `binary_op`.
        *inputs: names of its vectors; one vector x by default.
    """
    return Op(
        name,
        golden,
        summary,
        Family.ACTIVATION,
        formats=FMT,
        sizes=LANES,
        inputs=vector(*(inputs or ("x",))),
        outputs=ROW,
        max_width_bits=16,
    )


def normalisation_op(name: str, golden: Golden, summary: str, *vectors: str) -> Op:
    """Return an op on one row x with an epsilon, by `row_op`.

    Args:
        name, golden, summary: as in `binary_op`.
        *vectors: names of the vectors beside x, before eps.
    """
    return row_op(name, golden, summary, inputs=(*vector("x", *vectors), *codes("eps")))


def row_op(
    name: str,
    golden: Golden,
    summary: str,
    inputs: Ports,
    *,
    outputs: Ports = ROW,
    stateful: bool = False,
) -> Op:
    """Return an op on rows in `fmt`, which reduces in the format `red`.

    Args:
        name, golden, summary: as in `binary_op`.
        inputs: ports of a row and of what goes with it.
        outputs: ports of the results; one row y by default.
        stateful: as in `Op`.
    """
    return Op(
        name,
        golden,
        summary,
        Family.ROW,
        formats={"fmt": "", "red": "Red"},
        sizes=LANES,
        inputs=inputs,
        outputs=outputs,
        stateful=stateful,
        max_width_bits=16,
    )
