"""Sums by kernels are those of torch's steps, whatever shape, threads and neighbours are."""

from __future__ import annotations

import pytest
import torch

from plena_cosim import golden
from plena_cosim.fakequant import matmul, quantize_mx
from plena_cosim.fakequant.kernels import torch_steps

CASES = [
    ("mxint8", "fp32"),
    ("mxint8", "bf16"),
    ("mxint4", "e2m0"),
    ("mxint8", "q8.4"),
    ("mxfp8_e4m3", "fp32"),
    ("mxfp8_e4m3", "fp16"),
    ("mxfp8_e4m3", "q16.16"),
]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_shapes_threads_and_neighbours(case: tuple[str, str]) -> None:
    generator = torch.Generator().manual_seed(0)
    hw = golden.HardwareConfig(
        accumulator_format=golden.get_format(case[1]), vector_format=golden.get_format("fp32")
    )
    for block, depth, columns in ((32, 96, 300), (32, 70, 5), (6, 18, 257), (1, 5, 3)):
        mx = golden.get_format(case[0], block_size=block)
        x = torch.randn(9, depth, generator=generator) * 3
        x[2] *= 2.0**-20
        w = torch.randn(columns, depth, generator=generator)
        right = quantize_mx(w, mx).mT
        whole = matmul(quantize_mx(x, mx), right, hw)
        with torch_steps():
            assert torch.equal(whole, matmul(quantize_mx(x, mx), right, hw))
        for first, last in ((0, 1), (2, 4), (0, 5)):
            part = matmul(quantize_mx(x[first:last], mx), right, hw)
            assert torch.equal(part, whole[first:last])
        turned = quantize_mx(w.t().contiguous(), mx, axis=0)  # the other layout
        assert torch.equal(whole, matmul(quantize_mx(x, mx), turned, hw))


def test_threads_change_nothing() -> None:
    mx, hw = golden.get_format("mxint8"), golden.HardwareConfig()
    x, w = quantize_mx(torch.randn(40, 64), mx), quantize_mx(torch.randn(900, 64), mx).mT
    alone = matmul(x, w, hw)
    torch.set_num_threads(3)
    among = matmul(x, w, hw)
    torch.set_num_threads(1)
    assert torch.equal(alone, among)


def test_a_block_that_is_not_a_number() -> None:
    mx = golden.get_format("mxint8", block_size=4)
    x = torch.ones(2, 8)
    x[1, 5] = torch.nan
    w = quantize_mx(torch.ones(3, 8), mx).mT
    for acc, expected in (("fp32", torch.nan), ("bf16", torch.nan), ("q8.4", 127.9375)):
        hw = golden.HardwareConfig(
            accumulator_format=golden.get_format(acc), vector_format=golden.get_format("fp32")
        )
        y = matmul(quantize_mx(x, mx), w, hw)
        assert y[0].tolist() == [8.0] * 3
        assert torch.equal(y[1], torch.full((3,), expected)) or bool(y[1].isnan().all())
        assert bool(y[1].isnan().all()) == (acc != "q8.4")
