"""The search finds, block by block, what trying every share by hand finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from plena_cosim import fakequant, golden
from plena_cosim.golden import Mx
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.selector import CLIP_GRID
from plena_cosim.passes.replace.clip_search import clipped

FORMATS = [
    golden.mxint(3, block_size=8),
    golden.mxint(4, block_size=4),
    golden.mxint(4, block_size=8, scale_rule="mase", symmetric=False),
    golden.get_format("mxfp4_e2m1", block_size=8),
]


def by_hand(row: np.ndarray, mx: Mx, grid: tuple[float, ...]) -> np.ndarray:
    found = []
    for start in range(0, len(row), mx.block_size):
        block = row[start : start + mx.block_size]
        errors, tried = [], []
        for share in grid:
            limit = np.float32(np.abs(block).max()) * np.float32(share)
            clamped = np.clip(block, -limit, limit).astype(np.float32)
            values = golden.quantize(clamped, mx).dequantize()
            tried.append(values)
            errors.append(((values - block.astype(np.float64)) ** 2).sum())
        found.append(tried[int(np.argmin(errors))])  # of equals the first
    return np.concatenate(found)


def crowded(rows: int, columns: int) -> torch.Tensor:
    """Weights with outliers a little over a power of two, which double the step of the others."""
    weight = torch.rand(rows, columns) * 1.2 - 0.6
    weight[:, ::8] = 1.03
    weight[:, 4::8] = -1.01
    return weight * torch.randint(1, 4, (rows, 1)) / 8


@pytest.mark.parametrize("mx", FORMATS, ids=lambda mx: f"{mx.name}-{mx.scale_rule.value}")
@pytest.mark.parametrize("columns", [8, 21])
def test_each_block_is_the_best_of_the_grid(mx: Mx, columns: int) -> None:
    weight = crowded(64, columns)
    weight[2] = 0
    found = fakequant.quantize(clipped(weight, mx, CLIP_GRID), mx)
    expected = np.stack([by_hand(row, mx, CLIP_GRID) for row in weight.numpy()])
    np.testing.assert_array_equal(found.double().numpy(), expected)
    plain = fakequant.quantize(weight, mx)
    gain = (plain - weight).square().sum() - (found - weight).square().sum()
    assert gain >= 0
    if isinstance(mx.element, golden.FixedPoint):  # E2M1 keeps small ones beside large ones anyway
        assert gain > 0


def test_of_equals_the_first_is_taken() -> None:
    weight = torch.tensor([[1.5, 0.5]])  # 0.95 of it is rounded to 1.5 as well
    assert torch.equal(clipped(weight, golden.mxint(3, block_size=2), (1.0, 0.95)), weight)


def test_one_outlier_is_clipped_where_that_loses_less() -> None:
    # MXINT3 over a largest element of 2: steps of 1, and seven times 0.49 is lost. Over 1: steps of
    # 0.5, and only the 2 is.
    mx, small = golden.mxint(3, block_size=8), [0.49, 0.49, -0.49, 0.49, 0.49, 0.49, 0.49]
    weight = torch.tensor([[2.0, *small], [2.0, *[0.3] * 7]])
    assert torch.equal(clipped(weight, mx, (1.0,)), weight)
    found = clipped(weight, mx, (1.0, 0.5))
    assert found[:, 0].tolist() == [1.0, 2.0]  # 7 * 0.49**2 > 1 > 7 * 0.3**2 - 7 * 0.2**2
    expected = torch.tensor([1.0, 0.5, 0.5, -0.5, 0.5, 0.5, 0.5, 0.5])
    assert torch.equal(fakequant.quantize(found, mx)[0], expected)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_recipe_asks_for_it(numerics: str) -> None:
    linear, mx = nn.Linear(32, 8), golden.mxint(3, block_size=16)
    with torch.no_grad():
        linear.weight.copy_(crowded(8, 32))
    weight = linear.weight.detach().clone()
    table = {"name": "mxint", "weight_block_size": 16, "weight_width": 3, "clip_search": True}
    model = nn.Sequential(linear)
    _, info = quantize_module_transform_pass(
        model, {"by": "type", "linear": table}, numerics=numerics
    )
    expected = fakequant.quantize(clipped(weight, mx, CLIP_GRID), mx)
    assert torch.equal(model[0].weight, expected)
    assert not torch.equal(expected, fakequant.quantize(weight, mx))
    error = (expected - weight).double().square().mean()
    assert info["0"].weight_mse == pytest.approx(float(error), rel=1e-6)
