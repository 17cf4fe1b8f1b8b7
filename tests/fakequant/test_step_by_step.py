"""Compilers and tracers leave no rounding out: compiled is eager, or an error says why not."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import ExactnessError, quantize_mx

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")
MX, HW = golden.get_format("mxint4", block_size=4), golden.HardwareConfig(vlen=4)
INT4 = golden.affine.AffineInt(bits=4)
X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
V = X.bfloat16().float()
ROW = V[0]

CALLS: dict[str, Callable[[Tensor], Tensor]] = {
    "add": lambda x: fakequant.add(x, ROW, BF16),
    "sub": lambda x: fakequant.sub(x, ROW, BF16),
    "mul": lambda x: fakequant.mul(x, ROW, BF16),
    "neg": lambda x: fakequant.neg(x, BF16),
    "max": lambda x: fakequant.max(x, ROW, BF16),
    "min": lambda x: fakequant.min(x, ROW, BF16),
    "cast": lambda x: fakequant.cast(x, golden.get_format("e4m3")),
    "round_once": lambda x: fakequant.round_once(x.double() / 3, torch.bfloat16),
    "quantize": lambda x: fakequant.quantize(x, MX),
    "quantize_blocks": lambda x: fakequant.quantize_blocks(x, "nvfp4"),
    "affine_scale": lambda x: fakequant.affine_scale(x.amin(-1), x.amax(-1), INT4)[0],
    "quantize_affine": lambda x: fakequant.quantize_affine(x, INT4),
    "quantize_mx": lambda x: quantize_mx(x, MX).values,
    "matmul": lambda x: fakequant.matmul(quantize_mx(x, MX), quantize_mx(x, MX).mT, HW),
    "attention": lambda x: fakequant.attention(
        quantize_mx(x, MX), quantize_mx(x, MX), quantize_mx(x, MX, 0), MX, HW
    ),
    "hadamard": lambda x: fakequant.hadamard(x, BF16),
    "reduce_sum": lambda x: fakequant.reduce_sum(x, 1, 0.5, BF16, BF16),
    "reduce_max": lambda x: fakequant.reduce_max(x, 1, 0.5, BF16, FP32),
    "reduce_rows": lambda x: fakequant.reduce_rows(
        fakequant.reduce_sum, x, 0.5, BF16, BF16, lanes=4
    ),
    "softmax": lambda x: fakequant.softmax(x, 1, BF16, FP32),
    "rms_norm": lambda x: fakequant.rms_norm(x, ROW, 1e-5, BF16, FP32),
    "layer_norm": lambda x: fakequant.layer_norm(x, ROW, ROW, 1e-5, BF16, FP32),
    "rope": lambda x: fakequant.rope(x, ROW, ROW, BF16),
    "swiglu": lambda x: fakequant.swiglu(x, ROW, BF16),
    **{
        name: lambda x, name=name: getattr(fakequant, name)(x, BF16)
        for name in (
            *("exp", "exp2", "reciprocal", "sqrt", "rsqrt", "sigmoid"),
            *("silu", "gelu_sigmoid", "gelu_tanh"),
        )
    },
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def test_every_public_function_is_called() -> None:
    assert set(CALLS) == set(fakequant.__all__) - {"ExactnessError", "MxTensor"}


@pytest.mark.parametrize("name", CALLS)
def test_compiled_is_eager(name: str) -> None:
    # 0 + x · 1 is x in every graph, and makes one around the call.
    def around(x: Tensor) -> Tensor:
        return CALLS[name](0 + x * 1) * 1

    compiled = torch.compile(around, backend="aot_eager")(V)
    assert torch.equal(compiled.nan_to_num(), CALLS[name](V).nan_to_num())


@pytest.mark.parametrize("name", ["cast", "softmax"])
def test_inductor_drops_no_rounding(name: str) -> None:
    compiled = torch.compile(lambda x: CALLS[name](x * 1) + 0)(X)
    assert torch.equal(compiled, CALLS[name](X) + 0)


def test_a_cast_is_a_cast_whatever_compiles_it() -> None:
    compiled = torch.compile(lambda x: fakequant.cast(x, BF16), backend="aot_eager")(X)
    assert torch.equal(compiled, X.bfloat16().float())
    assert not torch.equal(compiled, X)


def test_dynamo_traces_none_of_it() -> None:
    def explain(x: Tensor) -> Tensor:
        return fakequant.softmax(x * 1, 1, BF16, FP32) + 1

    found = torch._dynamo.explain(explain)(V)
    operations = [str(node.target) for graph in found.graphs for node in graph.graph.nodes]
    assert found.graph_break_count == 1
    assert len([each for each in operations if "mul" in each or "add" in each]) == 2
    assert len(operations) <= 8


def test_a_full_graph_is_refused_in_words_that_help() -> None:
    compiled = torch.compile(lambda x: fakequant.cast(x, BF16), backend="eager", fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="compile without fullgraph=True"):
        compiled(X)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_trace_is_refused() -> None:
    with pytest.raises(ExactnessError, match="cast chooses its steps by the values"):
        torch.jit.trace(lambda x: fakequant.cast(x, BF16), X)


@pytest.mark.skipif(sys.platform != "linux", reason="FE_UPWARD of glibc on x86-64")
def test_a_thread_that_rounds_otherwise_is_refused() -> None:
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    libm.fesetround(0x800)
    try:
        with pytest.raises(ExactnessError, match="does not round to nearest"):
            fakequant.quantize(X, MX)
    finally:
        libm.fesetround(0)
    fakequant.quantize(X, MX)
