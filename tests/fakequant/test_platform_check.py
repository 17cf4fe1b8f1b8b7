"""A platform that trades bits for speed is refused, with the way out in the message."""

from __future__ import annotations

import pytest
import torch

from plena_cosim import golden
from plena_cosim.fakequant import ExactnessError, cast, matmul, quantize, quantize_mx
from plena_cosim.fakequant.kernels import torch_steps


def product() -> torch.Tensor:
    mx = golden.get_format("mxint8")
    return matmul(
        quantize_mx(torch.ones(2, 3), mx),
        quantize_mx(torch.ones(3, 2), mx, 0),
        golden.HardwareConfig(),
    )


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_reduced_precision_products_are_refused(precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    try:
        with pytest.raises(ExactnessError, match=r"set_float32_matmul_precision\('highest'\)"):
            product()
    finally:
        torch.set_float32_matmul_precision("highest")
    product()


def test_a_library_that_loses_bits_is_found_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = torch.Tensor.__matmul__
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: honest(a.bfloat16(), b.bfloat16()).float()
    )
    with torch_steps(), pytest.raises(ExactnessError, match="lose bits"):
        product()


def test_flush_to_zero_is_refused_where_it_matters() -> None:
    mx = golden.get_format("mxint8")
    tiny = torch.full((32,), 2.0**-130)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        with (
            torch_steps(),
            pytest.raises(ExactnessError, match=r"set_flush_denormal\(False\)"),
        ):
            quantize(tiny, mx)
        # A kernel's integers know nothing of it.
        assert quantize(tiny, mx).view(torch.int32).tolist() == [1 << 19] * 32
        for refused in (
            product,
            lambda: quantize_mx(tiny, mx),
            lambda: cast(tiny, golden.get_format("bf16")),
        ):
            with pytest.raises(ExactnessError, match=r"set_flush_denormal\(False\)"):
                refused()
        assert quantize(torch.ones(32), mx)[0] == 1.0
    finally:
        torch.set_flush_denormal(False)


def test_autocast_does_not_reach_the_product() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert product().tolist() == [[3.0, 3.0], [3.0, 3.0]]
