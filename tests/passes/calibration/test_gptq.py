"""GPTQ against least squares by brute force, column by column."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.passes.calibration.oracle import gptq_row, rule_exponent

from plena_cosim import fakequant, golden
from plena_cosim.golden import Mx
from plena_cosim.passes.calibration.block_scale import ScaleSearch, scales_to_try
from plena_cosim.passes.calibration.gptq import block_columns, factorise, solve
from plena_cosim.passes.weights.element_codes import block_codes, block_values

FORMATS = {
    "mxint4": golden.get_format("mxint4", block_size=8),
    "mxint8": golden.get_format("mxint8", block_size=8),
    "e2m1 even": golden.get_format("mxfp4_e2m1", block_size=8, scale_rule="even"),
    "e4m3": golden.get_format("mxfp8_e4m3", block_size=8),
}
NEIGHBOURS = [0, -1, 1]  # in the order in which equal losses are taken


def problem(rows: int, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a weight and the Hessian of correlated operands."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, n, generator=generator)
    mixing = torch.randn(n, n, generator=generator) * 0.3 + torch.eye(n)
    operands = torch.randn(4 * n, n, generator=generator) @ mixing
    return weight, operands.T @ operands


@pytest.mark.parametrize("by_output", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_columns_are_those_of_least_squares(
    name: str, by_output: bool, order: list[int] | None
) -> None:
    mx, n, damp = FORMATS[name], 20, 0.01  # the last block is short
    weight, hessian = problem(5, n, seed=3)
    columns = block_columns(order or [0, 1, 2], n, mx.block_size)
    factor = factorise(hessian[columns][:, columns], damp)
    search = ScaleSearch(neighbours=1, by_output=by_output)
    found = solve(weight, factor, mx, search, order)

    h = hessian.double().numpy()
    h = h + damp * h.diagonal().mean() * np.eye(n)
    for row in range(len(weight)):
        values, offsets = gptq_row(
            weight[row].double().numpy(),
            h,
            mx,
            NEIGHBOURS,
            by_output=by_output,
            order=order or [0, 1, 2],
        )
        np.testing.assert_array_equal(found.weight.values[row].numpy(), values)
        assert found.offsets[row].tolist() == offsets


def test_loss_is_the_error_of_the_outputs() -> None:
    weight, hessian = problem(16, 64, seed=1)
    mx = golden.get_format("mxint4", block_size=32)
    for search in (
        ScaleSearch(),
        ScaleSearch(neighbours=1),
        ScaleSearch(neighbours=2, by_output=True),
    ):
        found = solve(weight, factorise(hessian, 1e-6), mx, search)
        error = (found.weight.values - weight).double()
        true = ((error @ hessian.double()) * error).sum(1)
        torch.testing.assert_close(found.loss, true, rtol=1e-4, atol=0.0)


def test_a_solution_is_split_into_its_rows() -> None:
    weight, hessian = problem(9, 64, seed=1)
    mx = golden.get_format("mxint4", block_size=32)
    factor, search = factorise(hessian, 0.01), ScaleSearch(neighbours=1)
    first, second = solve(weight, factor, mx, search).split([4, 5])
    for part, rows in ((first, weight[:4]), (second, weight[4:])):
        alone = solve(rows, factor, mx, search)
        assert torch.equal(part.weight.values, alone.weight.values)
        assert torch.equal(part.weight.scales, alone.weight.scales)
        assert torch.equal(part.offsets, alone.offsets)
        torch.testing.assert_close(part.loss, alone.loss, rtol=1e-5, atol=0.0)
        torch.testing.assert_close(part.gain, alone.gain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("by_output", [False, True])
def test_a_row_tries_its_own_quantiles_only(by_output: bool) -> None:
    mx = golden.get_format("mxint4", block_size=8)
    weight = torch.randn(400, 8, generator=torch.Generator().manual_seed(9)) ** 3
    points = (1.0, 0.6)
    search = ScaleSearch(quantiles=points, by_output=by_output)
    found = solve(weight, factorise(torch.eye(8), 0.0), mx, search)
    free = solve(weight, factorise(torch.eye(8), 0.0), mx, ScaleSearch(neighbours=4))
    rule = np.floor(np.log2(weight.abs().amax(1).numpy()))
    allowed = np.floor(np.log2(np.quantile(weight.abs().numpy(), points, axis=1))) - rule
    taken = found.offsets[:, 0].numpy()
    assert all(offset in column for offset, column in zip(taken, allowed.T, strict=True))
    wanted = free.offsets[:, 0].numpy()
    kept = [w in column for w, column in zip(wanted, allowed.T, strict=True)]
    assert sum(kept) < 390  # the quantiles do keep rows from their best scale
    assert (taken[kept] == wanted[kept]).all()


def test_searches_help_and_say_by_how_much() -> None:
    weight, hessian = problem(64, 64, seed=2)
    mx = golden.get_format("mxint4", block_size=32)
    factor = factorise(hessian, 0.01)
    plain = solve(weight, factor, mx, ScaleSearch())
    searched = solve(weight, factor, mx, ScaleSearch(neighbours=1, by_output=True))
    nearest = (fakequant.quantize(weight, mx) - weight).double()
    assert not plain.gain.any()
    one = [
        solve(weight[:, :32], factorise(hessian[:32, :32], 0.01), mx, search)
        for search in (ScaleSearch(), ScaleSearch(neighbours=1, by_output=True))
    ]
    torch.testing.assert_close(one[1].gain, one[0].loss - one[1].loss, rtol=1e-4, atol=1e-5)
    assert one[1].gain.sum() > 0
    assert searched.loss.sum() < plain.loss.sum()
    assert plain.loss.sum() < float(((nearest @ hessian.double()) * nearest).sum())


@pytest.mark.parametrize("name", FORMATS)
def test_values_are_codes_of_the_format(name: str) -> None:
    mx = FORMATS[name]
    weight, hessian = problem(7, 21, seed=5)
    weight[2, 8:16] = 0  # a block of zeros, as long as nothing is fed into it
    search = ScaleSearch(quantiles=(1.0, 0.5), neighbours=1, by_output=True)
    found = solve(weight, factorise(torch.eye(21) + 0 * hessian, 0.0), mx, search).weight
    codes = block_codes(found.values, found.scales, mx, 1)
    again = block_values(codes, found.scales, mx, 1)
    assert torch.equal(again, found.values)
    assert not found.values[2, 8:16].any()
    assert found.scales[2, 1] == 0


def test_without_correlation_it_is_rounding_to_nearest() -> None:
    mx = golden.get_format("mxint4", block_size=8)
    weight, _ = problem(9, 32, seed=4)
    found = solve(weight, factorise(torch.eye(32), 0.0), mx, ScaleSearch())
    assert torch.equal(found.weight.values, fakequant.quantize(weight, mx))
    assert torch.equal(found.weight.scales, fakequant.quantize_mx(weight, mx).scales)


def test_factor_is_of_the_inverse_also_where_operands_span_little() -> None:
    _, hessian = problem(1, 24, seed=6)
    factor = factorise(hessian, 0.0)
    assert torch.equal(factor, factor.triu())
    torch.testing.assert_close(factor.T @ factor @ hessian.double(), torch.eye(24).double())
    rank_one = torch.ones(24, 24)
    assert bool(factorise(rank_one, 0.0).isfinite().all())
    assert bool(factorise(torch.zeros(24, 24), 0.01).isfinite().all())


def test_scales_to_try() -> None:
    mx: Mx = golden.get_format("mxint4", block_size=8)
    block = torch.tensor([[8.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    tried = scales_to_try(block, mx, ScaleSearch(quantiles=(1.0, 0.5)))
    assert tried.rule.tolist() == [rule_exponent(column, mx) for column in block.T.numpy()]
    assert (tried.exponents - tried.rule).tolist() == [[0, 0], [-3, -3]]
    assert tried.allowed.tolist() == [[True, True], [True, False]]
    tried = scales_to_try(block, mx, ScaleSearch(neighbours=2))
    assert (tried.exponents - tried.rule)[:, 0].tolist() == [0, -1, 1, -2, 2]
    assert bool(tried.allowed.all())


def test_scales_stay_in_their_range() -> None:
    mx = golden.get_format("mxint4", block_size=8)
    tiny = torch.full((8, 1), 2.0**-126)
    tried = scales_to_try(tiny, mx, ScaleSearch(neighbours=4))
    assert int(tried.exponents.min()) >= mx.min_scale_exp
