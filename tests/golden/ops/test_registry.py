"""The registry: ports, parameters, and that run_golden is the op itself."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, ops
from plena_cosim.golden.ops import OPS, Op, get_op

from ...op_arguments import usual_arguments


def random_inputs(op: Op, formats: dict[str, Any], count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        port.name: rng.integers(
            0,
            1 << port.width_bits(formats),
            (count, port.lanes(formats)) if port.is_array() else count,
        )
        for port in op.inputs
    }


@pytest.mark.parametrize("name", OPS)
def test_run_golden_is_the_op(name: str) -> None:
    op, formats = OPS[name], usual_arguments(OPS[name])
    inputs = random_inputs(op, formats, 50)
    outputs = op.run_golden(inputs, **formats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = inspect.signature(op.golden).parameters
        direct = op.golden(*inputs.values(), **{k: v for k, v in formats.items() if k in asked})
    direct = direct if isinstance(direct, tuple) else (direct,)
    assert list(outputs) == [port.name for port in op.outputs]
    for port, result in zip(op.outputs, direct, strict=True):
        found = outputs[port.name]
        beats = op.result_beats(inputs)
        np.testing.assert_array_equal(found, np.asarray(result)[beats])
        lanes = (port.lanes(formats),) if port.is_array() else ()
        assert found.shape == (len(beats), *lanes)
        assert int(found.max()) >> port.width_bits(formats) == 0


@pytest.mark.parametrize("name", OPS)
def test_names_and_modules(name: str) -> None:
    op = OPS[name]
    assert op.name == name
    assert op.module == f"plena_{name}"
    assert op.summary
    assert get_op(name) is op


@pytest.mark.parametrize("name", OPS)
def test_state_starts_anew_with_first(name: str) -> None:
    op = OPS[name]
    flags = {port.name for port in op.inputs if port.kind == "flag"}
    assert op.stateful == ("first" in flags)
    assert op.result_when in flags | {""}


@pytest.mark.parametrize("name", OPS)
def test_golden_of_the_registry_is_what_the_package_exports(name: str) -> None:
    function = OPS[name].golden
    assert getattr(ops, function.__name__) is function
    assert function.__name__ in (name, name.removeprefix("fp_"))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(FormatError) as caught:
        get_op("fp_mull")
    assert str(caught.value) == (
        f"unknown op 'fp_mull'; known: {', '.join(OPS)}. Did you mean 'fp_mul'?"
    )
