"""The sweep over a block: torch's steps, the kernel, and the same by numbers of one row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim import golden
from plena_cosim.fakequant.kernels.choice import torch_steps
from plena_cosim.passes.calibration.sweep import sweep

FORMATS = {
    "mxint4": golden.get_format("mxint4", block_size=32),
    "mxint4 symmetric": golden.get_format("mxint4", block_size=32, symmetric=True),
    "mxint8": golden.get_format("mxint8", block_size=32),
    "e2m1": golden.get_format("mxfp4_e2m1", block_size=32),
    "e4m3": golden.get_format("mxfp8_e4m3", block_size=32),
    "e5m2": golden.get_format("mxfp8_e5m2", block_size=32),
    "e3m0": golden.mxfp(3, 0, block_size=32),
}


def problem(elements: int, rows: int, scales: int) -> tuple[torch.Tensor, ...]:
    """Return block, factor, exponents and first column; zeros of both signs are in the block."""
    draw = torch.Generator().manual_seed(elements + rows)
    block = torch.randn(elements, rows, generator=draw)
    block[:: elements // 2 or 1, ::3] = 0.0
    block[1::3, ::5] = -0.0
    factor = torch.randn(elements, elements, generator=draw).triu() * 0.3
    factor.diagonal().abs_().add_(0.5)
    exponents = torch.randint(-3, 2, (scales, rows), generator=draw, dtype=torch.int32)
    return block, factor, exponents, torch.randn(rows, generator=draw)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("elements", "rows", "scales"), [(32, 300, 1), (7, 5, 3), (1, 257, 2)])
def test_kernel_and_torch_give_the_same_bits(
    name: str, elements: int, rows: int, scales: int
) -> None:
    pytest.importorskip("numba")
    given = problem(elements, rows, scales)
    arguments = (*given[:3], FORMATS[name], given[3])
    found = sweep(*arguments)
    with torch_steps():
        want = sweep(*arguments)
    for ours, torchs in zip(found, want, strict=True):
        assert torch.equal(ours.view(torch.int32), torchs.view(torch.int32))


@pytest.mark.parametrize("name", ["mxint4", "e2m1"])
def test_errors_are_fed_forward_one_after_the_other(name: str) -> None:
    mx = FORMATS[name]
    block, factor, exponents, first = problem(9, 4, 2)
    values, errors = sweep(block, factor, exponents, mx, first)
    u = factor.numpy()
    for k in range(2):
        for row in range(4):
            scale = 2.0 ** int(exponents[k, row])
            left = block[:, row].numpy().copy()
            for i in range(9):
                x = float(first[row]) if i == 0 else float(left[i])
                code = golden.encode(x / scale, mx.element)
                value = np.float32(golden.decode(code, mx.element) * scale)
                assert float(values[i, k, row]) == value
                off = (left[i] - value) / u[i, i]
                assert float(errors[i, k, row]) == off
                left[i + 1 :] -= u[i, i + 1 :] * off
