"""Ops of one family have the same ports, formats and modes, which is why they share cases."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden.ops import OPS, Op
from plena_cosim.golden.ops.op import Family

ONE_SHAPE = (Family.BINARY, Family.SIGN, Family.UNARY, Family.REDUCTION)
ONE_SET_OF_ARGUMENTS = (
    *(*ONE_SHAPE, Family.CHOICE, Family.DEQUANTISE, Family.DOT),
    *(Family.ACTIVATION, Family.ROW),
)


def family(wanted: Family) -> list[Op]:
    return [op for op in OPS.values() if op.family is wanted]


def shape(op: Op) -> Any:
    ports = [(port.name, port.fmt, port.kind, port.is_array()) for port in op.inputs]
    results = [(port.name, port.fmt, port.kind, port.is_array()) for port in op.outputs]
    return ports, results, op.modes, op.max_width_bits


@pytest.mark.parametrize("wanted", Family)
def test_no_family_is_empty(wanted: Family) -> None:
    assert family(wanted)


@pytest.mark.parametrize("wanted", ONE_SHAPE)
def test_ops_of_a_family_have_the_same_ports(wanted: Family) -> None:
    first, *others = family(wanted)
    assert all(shape(op) == shape(first) for op in others)


@pytest.mark.parametrize("wanted", ONE_SET_OF_ARGUMENTS)
def test_ops_of_a_family_take_the_same_arguments(wanted: Family) -> None:
    assert len({(op.arguments, tuple(op.formats.values())) for op in family(wanted)}) == 1


def test_what_the_families_say_of_their_ops() -> None:
    for op in OPS.values():
        rounds = op.family in (Family.BINARY, Family.UNARY, Family.CAST, Family.DEQUANTISE)
        turns = op.name == "hadamard"
        assert op.modes == (("rounding", "overflow") if rounds else ("inverse",) * turns)
        sums = (Family.DOT, Family.SCALED_DOT, Family.MATRIX, Family.ATTENTION)
        assert op.stateful == (op.family in sums or op.name == "online_softmax")
        results_now_and_then = op.family in (Family.MATRIX, Family.ATTENTION)
        assert bool(op.result_when) == results_now_and_then
