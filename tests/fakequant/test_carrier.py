"""Narrowing rounds once, and powers of two come from bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim import golden
from plena_cosim.fakequant.carrier import DOUBLE, SINGLE, round_once


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.bfloat16, "bf16"), (torch.float16, "fp16"), (torch.float32, "fp32")]
)
def test_narrowing_rounds_once(dtype, name, assert_same) -> None:
    fmt = golden.get_format(name)
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 1 << fmt.width_bits, 4000, dtype=np.uint64).astype(np.uint32)
    values = np.sort(golden.decode(codes, fmt))
    values = values[np.isfinite(values)]
    middle = (values[1:] + values[:-1]) / 2
    neighbours = golden.decode(golden.encode(values, fmt) + 1, fmt)
    ties = np.where(np.isfinite(neighbours), (values + neighbours) / 2, 0.0)
    points = np.concatenate([values, middle, ties, [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300]])
    points = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    expected = golden.decode(golden.encode(points, fmt, overflow="ieee"), fmt)
    assert_same(round_once(torch.from_numpy(points), dtype), expected)


def test_a_tie_of_float32_is_not_a_tie() -> None:
    just_above = torch.tensor([1 + 2.0**-8 + 2.0**-40], dtype=torch.float64)
    assert round_once(just_above, torch.bfloat16).item() == 1 + 2.0**-7
    assert just_above.to(torch.float32).to(torch.bfloat16).item() == 1.0


@pytest.mark.parametrize("carrier", [SINGLE, DOUBLE])
def test_powers_of_two_are_exact(carrier) -> None:
    exps = torch.arange(carrier.min_exp, carrier.bias + 1)
    expected = np.ldexp(1.0, exps.numpy())
    np.testing.assert_array_equal(carrier.power_of_two(exps).double().numpy(), expected)
    assert carrier.man_bits == {torch.float32: 23, torch.float64: 52}[carrier.dtype]
