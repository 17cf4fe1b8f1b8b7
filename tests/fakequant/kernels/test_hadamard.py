"""Butterflies give golden's bits, and what they cannot do is left to torch's steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from plena_cosim import fakequant, golden
from plena_cosim.fakequant.kernels import hadamard as kernels
from plena_cosim.fakequant.kernels import torch_steps

FORMATS = {name: golden.get_format(name) for name in ("fp32", "bf16")}


def transform(x: torch.Tensor, size: int, name: str = "fp32") -> tuple[bool, torch.Tensor]:
    out = torch.empty_like(x)
    return kernels.hadamard_blocks(x, out, size, 0.125, narrow=name == "bf16"), out


@pytest.mark.parametrize("exponent", [0, -130, 100])
@pytest.mark.parametrize("size", [8, 16, 64, 512])
@pytest.mark.parametrize("name", FORMATS)
def test_every_stage_is_goldens(name, size, exponent) -> None:
    fmt = FORMATS[name]
    generator = np.random.default_rng(size)
    reals = np.ldexp(generator.normal(size=(6, 1024)), exponent + generator.integers(-9, 9, 1024))
    reals[generator.random(reals.shape) < 0.1] = -0.0
    codes = golden.encode(reals, fmt)
    x = torch.from_numpy(golden.decode(codes, fmt)).float()
    want = golden.decode(golden.ops.hadamard(codes, fmt, block=size), fmt).astype(np.float32)
    assert transform(x, size, name)[0]
    got = fakequant.hadamard(x, fmt, block=size)
    np.testing.assert_array_equal(got.numpy().view(np.int32), want.view(np.int32))
    with torch_steps():
        assert fakequant.hadamard(x, fmt, block=size).view(torch.int32).equal(got.view(torch.int32))


@pytest.mark.parametrize("odd", [torch.inf, -torch.inf, torch.nan, 3e38])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_finite_is_left_to_torch(name, odd) -> None:
    fmt = FORMATS[name]
    x = torch.ones(40, 64)
    x[33, 5] = x[33, 6] = torch.tensor(odd).bfloat16()
    assert not transform(x, 64, name)[0]
    codes = golden.encode(x.numpy(), fmt)
    want = golden.decode(golden.ops.hadamard(codes, fmt, block=64), fmt)
    np.testing.assert_array_equal(fakequant.hadamard(x, fmt, block=64).numpy(), want)


def test_a_nan_of_all_ones_is_seen_before_it_is_rounded() -> None:
    x = torch.full((8,), 0x7FFFFFFF, dtype=torch.int32).view(torch.float32)
    assert not transform(x, 8, "bf16")[0]
    assert fakequant.hadamard(x, "bf16", block=8).isnan().all()


def test_a_thread_that_flushes_subnormals_does_nothing() -> None:
    x = torch.full((8,), 2.0**-140)
    assert transform(x, 8)[1].tolist() == [2.0**-140] + [0.0] * 7

    def flushed() -> bool:
        torch.set_flush_denormal(True)  # of this thread alone
        return transform(x, 8)[0]

    if not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot flush subnormals")
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(flushed).result()


def test_threads_change_nothing(monkeypatch) -> None:
    monkeypatch.setattr(kernels, "_LEAST", 1)
    x = torch.randn(37, 64)
    want = fakequant.hadamard(x, "fp32", block=64)
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        assert fakequant.hadamard(x, "fp32", block=64).equal(want)
    finally:
        torch.set_num_threads(before)
