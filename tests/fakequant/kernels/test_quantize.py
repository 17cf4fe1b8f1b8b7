"""Kernels of blocks give torch's bits in every kind of process; tests of values run both ways."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch
from tests.fakequant.test_quantize import nasty

from plena_cosim import golden
from plena_cosim.fakequant import quantize, quantize_mx
from plena_cosim.fakequant.kernels import quantize as kernels
from plena_cosim.fakequant.kernels import torch_steps

NAMES = ["mxint8", "mxfp4_e2m1", "mxfp3_e2m0", "mxfp8_e5m2"]


def bits(x: torch.Tensor) -> torch.Tensor:
    return x.view({4: torch.int32, 2: torch.int16, 8: torch.int64}[x.element_size()])


@contextmanager
def threads(count: int):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushed():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_operands_are_torchs_to_the_dtype(dtype, axis) -> None:
    for name, scale in ((n, s) for n in NAMES for s in (1.0, 2.0**-130)):
        mx = golden.get_format(name, block_size=8)
        x = (torch.randn(16, 24) * scale).to(dtype)
        ours = quantize_mx(x, mx, axis)
        with torch_steps():
            theirs = quantize_mx(x, mx, axis)
        assert ours.values.dtype == theirs.values.dtype
        assert bits(ours.values).equal(bits(theirs.values))
        assert ours.scales.equal(theirs.scales)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_thread_that_flushes_subnormals_gets_the_same_bits(axis) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = nasty(1024, dtype, seed=1, special=True).view(64, -1)
        for name in NAMES:
            want = quantize(x, name, axis)
            with flushed():
                got = quantize(x, name, axis)
            assert bits(got).equal(bits(want))


@pytest.mark.parametrize("axis", [0, 1])
def test_threads_meet_nowhere(axis, monkeypatch) -> None:
    monkeypatch.setattr(kernels, "_LEAST", 1)
    for shape in ((5, 1111), (1111, 5), (1, 4001), (70, 2600)):
        x = nasty(shape[0] * shape[1] // 8 + 1, torch.float32, seed=2, special=True)
        x = x[: shape[0] * shape[1]].view(shape)
        want = quantize_mx(x, "mxint4", axis), quantize(x, "mxint4", axis)
        with threads(5):
            got = quantize_mx(x, "mxint4", axis), quantize(x, "mxint4", axis)
        assert bits(got[0].values).equal(bits(want[0].values))
        assert got[0].scales.equal(want[0].scales)
        assert bits(got[1]).equal(bits(want[1]))


def test_calls_of_many_threads_at_once() -> None:
    inputs = [nasty(4096, torch.float32, seed=i, special=True) for i in range(4)]
    want = [bits(quantize(x, "mxfp6_e2m3")) for x in inputs]
    with threads(3), ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda x: bits(quantize(x, "mxfp6_e2m3")), inputs)
            assert all(map(torch.equal, found, want))


def _child(x, queue) -> None:
    queue.put(quantize(x, "mxint4").numpy().tobytes())


def test_a_forked_child_computes_too() -> None:
    x = torch.randn(1 << 17)  # in the parent: torch's own threads do not outlive a fork
    with threads(2):
        want = quantize(x, "mxint4").numpy().tobytes()
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=_child, args=(x, queue), daemon=True)
        process.start()
        assert queue.get(timeout=60) == want
        process.join(60)


def test_compiled_functions_call_the_kernel() -> None:
    x = nasty(64, torch.float32, seed=3)

    @torch.compile(backend="eager")
    def function(x):
        return quantize(x * 2, "mxint4") + 1

    assert function(x).equal(quantize(x * 2, "mxint4") + 1)


def test_nothing_is_written_beside_the_values() -> None:
    memory = torch.full((3, 70), 7.0)
    quantize(torch.randn(70), "mxint8", out=memory[1])
    assert (memory[0] == 7).all()
    assert (memory[2] == 7).all()
