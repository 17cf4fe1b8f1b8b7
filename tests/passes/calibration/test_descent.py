"""Block coordinate descent against least squares by brute force, block by block."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.passes.calibration.oracle import descent_row
from tests.passes.calibration.test_gptq import FORMATS, NEIGHBOURS, problem

from plena_cosim import golden
from plena_cosim.golden import Mx
from plena_cosim.passes.calibration.block_scale import ScaleSearch
from plena_cosim.passes.calibration.descent import descend
from plena_cosim.passes.calibration.gptq import Solution, damped, factorise, solve
from plena_cosim.passes.weights.element_codes import block_codes, block_values


def true_loss(found: Solution, weight: torch.Tensor, hessian: torch.Tensor) -> torch.Tensor:
    error = (found.weight.values - weight).double()
    return ((error @ hessian) * error).sum(1)


@pytest.mark.parametrize("by_output", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_blocks_are_those_of_least_squares(name: str, by_output: bool) -> None:
    mx, n = FORMATS[name], 20  # the last block is short
    weight, hessian = problem(6, n, seed=3)
    search = ScaleSearch(neighbours=1, by_output=by_output)
    first = solve(weight, factorise(hessian, 0.01), mx, search)
    h = damped(hessian, 0.01)
    found = descend(first, weight, h, mx, search, sweeps=2)
    changed = 0
    for row in range(len(weight)):
        start = first.weight.values[row].double().numpy()
        values = descent_row(
            weight[row].double().numpy(),
            h.numpy(),
            start,
            mx,
            NEIGHBOURS,
            by_output=by_output,
            sweeps=2,
        )
        np.testing.assert_array_equal(found.weight.values[row].double().numpy(), values)
        changed += not np.array_equal(values, start)
    assert changed >= 3 or mx.element.width > 4, "too few rows to tell anything"


def test_damping_is_that_of_the_factor() -> None:
    _, hessian = problem(1, 24, seed=6)
    for matrix, damp in ((hessian, 0.01), (torch.ones(24, 24), 0.0), (torch.zeros(24, 24), 0.01)):
        factor, h = factorise(matrix, damp), damped(matrix, damp)
        torch.testing.assert_close(
            factor @ h @ factor.T, torch.eye(24).double(), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("mx", FORMATS.values(), ids=str)
def test_the_loss_falls_and_is_the_true_one(mx: Mx) -> None:
    weight, hessian = problem(32, 64, seed=1)
    search = ScaleSearch(quantiles=(1.0, 0.9, 0.5), neighbours=1, by_output=True)
    first = solve(weight, factorise(hessian, 0.01), mx, search)
    h = damped(hessian, 0.01)
    losses = [float(first.loss.sum())]
    for sweeps in (1, 2, 4):
        found = descend(first, weight, h, mx, search, sweeps=sweeps)
        torch.testing.assert_close(found.loss, true_loss(found, weight, h), rtol=1e-4, atol=0.0)
        losses.append(float(found.loss.sum()))
    assert losses == sorted(losses, reverse=True)
    assert losses[1] < 0.95 * losses[0]


def test_a_solution_that_cannot_be_bettered_stays() -> None:
    mx = golden.get_format("mxint4", block_size=8)
    weight, _ = problem(9, 32, seed=4)
    first = solve(weight, factorise(torch.eye(32), 0.0), mx, ScaleSearch())
    found = descend(first, weight, damped(torch.eye(32), 0.0), mx, ScaleSearch(), sweeps=3)
    assert torch.equal(found.weight.values, first.weight.values)
    assert torch.equal(found.weight.scales, first.weight.scales)
    assert torch.equal(found.loss, first.loss)


@pytest.mark.parametrize("name", FORMATS)
def test_codes_scales_and_offsets_belong_together(name: str) -> None:
    mx = FORMATS[name]
    weight, hessian = problem(40, 64, seed=5)
    search = ScaleSearch(neighbours=1, by_output=True)
    first = solve(weight, factorise(hessian, 0.01), mx, search)
    found = descend(first, weight, damped(hessian, 0.01), mx, search, sweeps=2)
    stored = found.weight
    codes = block_codes(stored.values, stored.scales, mx, 1)
    assert torch.equal(block_values(codes, stored.scales, mx, 1), stored.values)
    assert found.offsets.shape == stored.scales.shape
    assert int(found.offsets.abs().max()) <= 1
    assert not torch.equal(stored.values, first.weight.values)
