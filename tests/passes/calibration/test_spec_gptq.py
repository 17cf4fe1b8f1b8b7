"""GPTQ of formats by their axes against the published algorithm in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.passes.calibration.plain_reference import Grids, gptq
from tests.passes.calibration.test_gptq import problem

from plena_cosim.golden import affine
from plena_cosim.passes.calibration.column_scales import ColumnScales
from plena_cosim.passes.calibration.gptq import damped, factorise
from plena_cosim.passes.calibration.spec_gptq import solve_spec
from plena_cosim.passes.recipe.spec_format import SpecFormat
from plena_cosim.passes.recipe.spec_table import SpecTable, spec_format
from plena_cosim.passes.weights.spec_values import quantize_spec, ranges_of

N, DAMP = 20, 0.01  # the last group of 8 is short
ELEMENTS: dict[str, dict[str, Any]] = {
    "int4": {"element": "int4"},
    "int3 with int32 zero": {"element": "int3", "zero_point": "int32"},
    "uint4 with float32 zero": {"element": "uint4", "zero_point": "float32"},
    "int8 by reciprocal": {"element": "int8", "quotient": "reciprocal", "rounding": "rna"},
    "int4 in fp16": {"element": "int4", "scale": "fp16"},
    "int4 in bf16": {"element": "int4", "scale": "bf16", "zero_point": "int32"},
    "int4 in e8m0": {"element": "int4", "scale": "e8m0", "symmetric_codes": True},
    "fp8": {"element": "fp8_e4m3"},
    "fp4 in e8m0": {"element": "fp4_e2m1", "scale": "e8m0", "scale_rule": "ceil"},
    "fp4 in e4m3": {"element": "fp4_e2m1", "scale": "e4m3"},
    "no small scale": {"element": "int4", "min_scale": 0.3},
}
PLACES: dict[str, dict[str, Any]] = {
    "tensor": {},
    "channel": {"granularity": "channel"},
    "group": {"group_size": 8},
}


def spec(**keys: Any) -> SpecFormat:
    made = spec_format([SpecTable(**keys)])
    assert isinstance(made, SpecFormat)
    return made


def solved(
    weight: torch.Tensor, hessian: torch.Tensor, fmt: SpecFormat, **keys: Any
) -> torch.Tensor:
    order = keys.get("order")
    columns = list(range(len(hessian))) if order is None else order
    factor = factorise(hessian[columns][:, columns], DAMP)
    return solve_spec(weight, factor, fmt, **keys).weight.values


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ELEMENTS)
def test_values_are_those_of_the_published_algorithm(name: str, place: str, static: bool) -> None:
    fmt = spec(**ELEMENTS[name], **PLACES[place])
    weight, hessian = problem(5, N, seed=3)
    found = solved(weight, hessian, fmt, static_groups=static)
    grids = Grids(weight.numpy(), fmt.stages[0], static=static)
    h = damped(hessian, DAMP).numpy()
    expected = gptq(weight.double().numpy(), h, grids.round, list(range(N)))
    # A group's scale follows columns that float32 has fed forward, and is off by its rounding.
    bits = place != "group" or static or fmt.stages[0].fmt.scale is affine.ScaleFormat.E8M0
    np.testing.assert_allclose(found.numpy(), expected, rtol=0 if bits else 2e-5, atol=0)
    assert not torch.equal(found, quantize_spec(weight, fmt))


@pytest.mark.parametrize("place", PLACES)
def test_columns_may_come_in_any_order(place: str) -> None:
    fmt = spec(element="int4", zero_point="int32", **PLACES[place])
    weight, hessian = problem(5, N, seed=4)
    order = sorted(range(N), key=lambda column: -float(hessian[column, column]))
    found = solved(weight, hessian, fmt, static_groups=True, order=order)
    grids = Grids(weight.numpy(), fmt.stages[0], static=True)
    expected = gptq(weight.double().numpy(), damped(hessian, DAMP).numpy(), grids.round, order)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert not torch.equal(found, solved(weight, hessian, fmt, static_groups=True))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ELEMENTS)
def test_without_correlation_it_is_rounding_to_nearest(name: str, place: str) -> None:
    fmt = spec(**ELEMENTS[name], **PLACES[place])
    weight, _ = problem(7, N, seed=5)
    nearest = quantize_spec(weight, fmt)
    energies = torch.linspace(0.5, 3.0, N).diag()
    for keys in ({}, {"static_groups": True}, {"block_size": 3}):
        assert torch.equal(solved(weight, energies, fmt, **keys), nearest)
    order = list(range(N))[::-1]
    backwards = solved(weight, energies, fmt, static_groups=True, order=order)
    assert torch.equal(backwards, nearest)


@pytest.mark.parametrize("rule", ["mse", "percentile"])
def test_a_range_is_what_its_rule_finds(rule: str) -> None:
    fmt = spec(element="int4", granularity="channel", range=rule)
    weight, _ = problem(7, N, seed=6)
    nearest = quantize_spec(weight, fmt, ranges_of(weight, fmt))
    assert torch.equal(solved(weight, torch.eye(N), fmt), nearest)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("block_size", [1, 5, 8, 19, 64])
def test_how_many_columns_wait_changes_only_rounding(block_size: int, static: bool) -> None:
    """Groups of 8 begin inside of blocks of 5, and end behind them."""
    fmt = spec(element="int4", group_size=8)
    weight, hessian = problem(6, N, seed=7)
    whole = solved(weight, hessian, fmt, static_groups=static)
    found = solved(weight, hessian, fmt, static_groups=static, block_size=block_size)
    torch.testing.assert_close(found, whole, rtol=2e-5, atol=0)


def test_the_loss_is_the_error_of_the_outputs() -> None:
    weight, hessian = problem(16, 64, seed=1)
    fmt = spec(element="int4", group_size=16)
    found = solve_spec(weight, factorise(hessian, 1e-6), fmt)
    error = (found.weight.values - weight).double()
    true = ((error @ hessian.double()) * error).sum(1)
    torch.testing.assert_close(found.loss, true, rtol=1e-4, atol=0.0)
    nearest = (quantize_spec(weight, fmt) - weight).double()
    assert true.sum() < ((nearest @ hessian.double()) * nearest).sum()
    assert found.offsets.numel() == 0
    assert not found.gain.any()


def test_a_scale_in_e4m3_is_no_larger_than_those_of_the_weight_as_it_was() -> None:
    fmt = spec(element="fp4_e2m1", scale="e4m3", group_size=4)
    weight = torch.tensor([[1.0, 2.0, 3.0, 6.0, 0.5, 0.25, 0.1, 0.2]])
    scales = ColumnScales(weight, fmt.stages[0])
    scales.enter(1, torch.tensor([[60.0, 1.0, 1.0, 1.0]]))
    assert float(scales.quantize(torch.tensor([60.0]), 4)) == 6.0
    scales.enter(1, torch.tensor([[3.0, 1.0, 1.0, 1.0]]))
    assert float(scales.quantize(torch.tensor([60.0]), 4)) == 3.0
