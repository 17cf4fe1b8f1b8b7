"""fakequant.matmul equals golden.ops.matmul in every bit."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import golden
from plena_cosim.fakequant import MxTensor, matmul, quantize_blocks, quantize_mx
from plena_cosim.fakequant.matmul import _largest_integer_used, _plan
from plena_cosim.golden.blocks import MicroMx

FP32 = golden.get_format("fp32")
ACCUMULATORS = [
    *(golden.get_format(name) for name in ("fp32", "bf16", "fp16", "e6m5", "e4m7", "e5m2", "e4m3")),
    *(golden.get_format(name) for name in ("e8m15", "e5m11", "e2m0", "q16.16", "q8.4", "q2.6")),
    *(golden.get_format(name, wrap=True) for name in ("q16.16", "q8.4", "q30.2", "q4.4")),
    golden.get_format("bf16", bias=160),
    golden.get_format("fp32", bias=100),
    golden.get_format("e5m2fnuz"),
]
PAIRS = [
    ("mxint8", "mxint8"),
    ("mxint4", "mxint4"),
    ("mxfp4_e2m1", "mxfp4_e2m1"),
    ("mxfp6_e3m2", "mxfp6_e2m3"),
    ("mxfp8_e4m3", "mxfp8_e4m3"),
    ("mxfp8_e5m2", "mxfp8_e5m2"),
    ("mxfp8_e5m2", "mxfp8_e4m3"),
    ("mxint8", "mxfp4_e2m1"),
    ("mxfp8_e4m3", "mxint4"),
    ("mxint16", "mxint16"),
    ("mxfp16_e5m10", "mxfp16_e5m10"),
    ("mxint2", "mxfp3_e2m0"),
    ("mxfp8_e4m3fnuz", "mxfp8_e5m2fnuz"),
]


def machine(acc: golden.Scalar, vector: str = "bf16") -> golden.HardwareConfig:
    return golden.HardwareConfig(accumulator_format=acc, vector_format=golden.get_format(vector))


def expected(x, w, a: golden.Mx, b: golden.Mx, hw: golden.HardwareConfig) -> np.ndarray:
    codes = golden.ops.matmul(
        golden.quantize(x.numpy(), a), golden.quantize(w.numpy(), b, axis=-2), hw
    )
    return golden.decode(codes, hw.vector_format)


def ours(x, w, a: golden.Mx, b: golden.Mx, hw: golden.HardwareConfig) -> torch.Tensor:
    return matmul(quantize_mx(x, a), quantize_mx(w, b, -2), hw)


def operands(m: int, k: int, n: int, *, seed: int, spread: int = 6) -> tuple[torch.Tensor, ...]:
    """Blocks of different magnitudes, so that sums round, cancel and absorb."""
    generator = torch.Generator().manual_seed(seed)
    x, w = (torch.randn(shape, generator=generator) for shape in ((m, k), (k, n)))
    for t, axis in ((x, 1), (w, 0)):
        blocks = -(-k // 8)
        shape = (t.shape[0], blocks) if axis == 1 else (blocks, t.shape[1])
        exps = torch.randint(-spread, spread + 1, shape, generator=generator)
        t *= torch.ldexp(torch.ones(shape), exps).repeat_interleave(8, axis).narrow(axis, 0, k)
    return x, w


@pytest.mark.parametrize(
    "acc", ACCUMULATORS, ids=lambda f: f"{f.name}{'w' * getattr(f, 'wrap', 0)}"
)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair))
def test_every_accumulator_and_pair(pair, acc, assert_same) -> None:
    a, b = (golden.get_format(name, block_size=8) for name in pair)
    x, w = operands(5, 37, 6, seed=1)
    for vector in ("bf16", "e4m3", "e4m3fnuz"):
        hw = machine(acc, vector)
        assert_same(ours(x, w, a, b, hw), expected(x, w, a, b, hw))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_shape_and_magnitude(data, assert_same) -> None:
    pair = data.draw(st.sampled_from(PAIRS))
    block = data.draw(st.sampled_from([1, 4, 32]))
    a, b = (
        golden.get_format(name, block_size=block, scale_bits=data.draw(st.sampled_from([4, 8])))
        for name in pair
    )
    m, k, n = (data.draw(st.integers(1, high)) for high in (4, 70, 5))
    x, w = operands(m, k, n, seed=data.draw(st.integers(0, 999)), spread=20)
    x *= 2.0 ** data.draw(st.integers(-120, 100))
    w *= 2.0 ** data.draw(st.integers(-120, 100))
    if data.draw(st.booleans()):
        x[0] = 0.0
    hw = machine(
        data.draw(st.sampled_from(ACCUMULATORS)),
        data.draw(st.sampled_from(["bf16", "fp16", "fp32", "e6m5"])),
    )
    assert_same(ours(x, w, a, b, hw), expected(x, w, a, b, hw))


@pytest.mark.parametrize("special", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(
    "acc", [FP32, *ACCUMULATORS[1:4], golden.get_format("q16.16")], ids=lambda f: f.name
)
def test_a_special_value_spoils_its_outputs_only(acc, special, assert_same) -> None:
    for pair in (PAIRS[0], PAIRS[2], PAIRS[5]):
        a, b = (golden.get_format(name, block_size=8) for name in pair)
        x, w = operands(4, 24, 5, seed=2)
        x[1, 9] = special
        w[20, 3] = special
        for vector in ("bf16", "e6m5"):
            hw = machine(acc, vector)
            result = ours(x, w, a, b, hw)
            assert_same(result, expected(x, w, a, b, hw))
            if acc is FP32 and vector == "bf16":
                nan = result.isnan()
                assert bool(nan[1].all())
                assert bool(nan[:, 3].all())
                assert int(nan.sum()) == 8


def test_the_largest_dot_that_float32_holds_is_exact(assert_same) -> None:
    # 127 * 127 * B: B = 1040 is the last block size below 2^24, 1041 the first above.
    for block, carrier in ((1040, torch.float32), (1041, torch.float64)):
        mx = golden.mxint(8, block_size=block)
        x = torch.full((2, block), 127.0)
        x[1] = -127.0
        x[1, ::3] = 126.0
        w = torch.full((block, 2), 127.0)
        w[::2, 1] = -127.0
        plan = _plan(quantize_mx(x, mx), quantize_mx(w, mx, 0), FP32)
        assert plan.dot is not None
        assert plan.dot.dtype == carrier
        hw = machine(FP32, "fp32")
        assert_same(ours(x, w, mx, mx, hw), expected(x, w, mx, mx, hw))


def test_sums_that_need_the_25th_bit_round_once(assert_same) -> None:
    # Blocks of one: partials 2^24 and then ones. Ties to even in fp32, absorbed in bf16.
    mx = golden.mxint(8, block_size=1)
    x = torch.tensor([[2.0**24, 1.0, 1.0, 3.0, -(2.0**24)], [1.0, 2.0**24, 1.0, 3.0, 1.0]])
    w = torch.ones(5, 1)
    for acc in ACCUMULATORS:
        hw = machine(acc, "fp32")
        assert_same(ours(x, w, mx, mx, hw), expected(x, w, mx, mx, hw))


@pytest.mark.parametrize(
    "exp",
    [-150, -140, -127, -90, -73, -70, -67, -63, -62, 40, 56, 57, 58, 59, 62, 63, 64, 100, 127],
)
@pytest.mark.parametrize("pair", [PAIRS[0], PAIRS[2], PAIRS[4], PAIRS[5]], ids=lambda p: p[0])
def test_exponents_at_both_ends(pair, exp, assert_same) -> None:
    a, b = (golden.get_format(name, block_size=8) for name in pair)
    x, w = operands(3, 24, 4, seed=3, spread=0)
    x, w = (x * 2.0 ** (exp // 2)) * 2.0 ** (exp - exp // 2), w * 2.0**exp
    x, w = (t.clamp(-3e38, 3e38) for t in (x, w))
    for acc in (FP32, *ACCUMULATORS[1:4], golden.get_format("bf16", bias=160)):
        for vector in ("bf16", "fp32"):
            hw = machine(acc, vector)
            assert_same(ours(x, w, a, b, hw), expected(x, w, a, b, hw))


def test_blocks_of_different_magnitude_in_one_product(assert_same) -> None:
    mx = golden.get_format("mxint8", block_size=4)
    x, w = torch.randn(4, 32), torch.randn(32, 3)
    for low in (-60, -110, -119):
        mixed_x = x * torch.tensor([2.0**low, 1.0]).repeat_interleave(16)
        mixed_w = w * torch.tensor([2.0**-34, 1.0]).repeat_interleave(16)[:, None]
        mixed_x[3, 16:] = 0.0  # leaves tiny sums on their own
        mixed_w[16:, 2] = 0.0
        for vector in ("bf16", "fp32"):
            hw = machine(FP32, vector)
            assert_same(ours(mixed_x, mixed_w, mx, mx, hw), expected(mixed_x, mixed_w, mx, mx, hw))


def test_a_sum_is_not_rounded_to_float32_first(assert_same) -> None:
    # 1 + 2^-15 (1 + 2^-14) is just above a tie of a 15-bit significand, and on it in float32.
    a, b = golden.get_format("mxint16", block_size=1), golden.get_format("mxint2", block_size=1)
    x, w = torch.tensor([[1.0, 2.0**-15 * (1 + 2.0**-14)]]), torch.ones(2, 1)
    hw = machine(golden.get_format("e7m14"), "fp32")
    assert ours(x, w, a, b, hw).item() == 1 + 2.0**-14
    assert_same(ours(x, w, a, b, hw), expected(x, w, a, b, hw))


@pytest.mark.parametrize("name", ["mxfp8_e5m2", "mxfp8_e4m3", "mxfp16_e5m10"])
def test_used_integers_are_bounded_by_what_is_used(name) -> None:
    mx = golden.get_format(name, block_size=8)
    for spread in range(0, 34, 3):
        exps = torch.randint(-spread, 1, (6, 20))
        q = quantize_mx(torch.randn(6, 20) * torch.exp2(exps.double()), mx)
        scales = q.scale_values().repeat_interleave(8, 1)[:, :20]
        elements = [Fraction(e) for e in (q.values.double() / scales).flatten().tolist()]
        last_places = [Fraction(e.numerator & -e.numerator, e.denominator) for e in elements if e]
        needed = max(map(abs, elements)) / min(last_places)
        bound = _largest_integer_used(q)
        assert needed <= bound
        assert bound <= mx.element.max_value / min(last_places) * 2**mx.element.man_bits


def test_overflow_saturates_step_by_step(assert_same) -> None:
    # fp16 saturates at 65504 in the middle of the sum and comes back from there.
    mx = golden.mxint(8, block_size=1)
    x = torch.tensor([[60000.0, 60000.0, -30000.0]])
    hw = machine(golden.get_format("fp16"), "fp32")
    result = ours(x, torch.ones(3, 1), mx, mx, hw)
    assert_same(result, expected(x, torch.ones(3, 1), mx, mx, hw))
    assert result.item() == 65504 - 29952  # MXINT8 holds 30000 as 29952


def test_wrap_takes_two_to_the_15_to_its_negative(assert_same) -> None:
    mx = golden.mxint(8, block_size=1)
    x, w = torch.tensor([[2.0**14, 2.0**14]]), torch.ones(2, 1)
    assert ours(x, w, mx, mx, machine(golden.get_format("q16.16", wrap=True))).item() == -(2.0**15)
    assert ours(x, w, mx, mx, machine(golden.get_format("q16.16"), "fp32")).item() == 32768.0


@pytest.mark.parametrize(
    "acc", ACCUMULATORS[:14], ids=lambda f: f"{f.name}{'w' * getattr(f, 'wrap', 0)}"
)
@pytest.mark.parametrize("names", [("mxfp8_e5m2",) * 2, ("mxfp16_e5m10", "mxfp8_e4m3")], ids=str)
def test_dots_longer_than_float64_round_once(names, acc, assert_same) -> None:
    a, b = (golden.get_format(name, block_size=8) for name in names)
    generator = torch.Generator().manual_seed(4)
    x, w = (
        torch.randn(shape, generator=generator)
        * torch.ldexp(torch.ones(shape), torch.randint(-30, 1, shape, generator=generator))
        for shape in ((6, 40), (40, 5))
    )
    x[2, 3] = torch.nan
    assert _plan(quantize_mx(x, a), quantize_mx(w, b, 0), acc).dot is None
    assert_same(ours(x, w, a, b, machine(acc)), expected(x, w, a, b, machine(acc)))


def test_wrap_of_a_dot_longer_than_float64(assert_same) -> None:
    mx = golden.get_format("mxfp8_e5m2", block_size=4)
    x = torch.tensor([[57344.0, 2.0**-16, 3 * 2.0**-16, -49152.0]])
    w = torch.tensor([[57344.0], [2.0**-16], [5 * 2.0**-12], [2.0**-15]])
    for name, scale in itertools.product(("q2.6", "q16.16", "q1.31", "q32.0"), (1.0, 2.0**12, 64)):
        hw = machine(golden.get_format(name, wrap=True), "fp32")
        assert_same(ours(x * scale, w, mx, mx, hw), expected(x * scale, w, mx, mx, hw))


def test_no_negative_zero_comes_out_of_cancellation() -> None:
    mx = golden.get_format("mxfp4_e2m1", block_size=2)
    x, w = torch.tensor([[-1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    result = ours(x, w, mx, mx, machine(FP32))
    assert result.tolist() == [[0.0, -1.0]]
    assert not bool(torch.signbit(result[0, 0]))


@pytest.mark.parametrize(
    "shape", [((3, 4, 20), (20, 5)), ((2, 3, 4, 20), (3, 20, 5)), ((4, 20), (2, 20, 5))]
)
def test_leading_axes_broadcast(shape, assert_same) -> None:
    mx = golden.get_format("mxint4", block_size=8)
    x, w = torch.randn(shape[0]), torch.randn(shape[1])
    assert_same(ours(x, w, mx, mx, machine(FP32)), expected(x, w, mx, mx, machine(FP32)))


def test_a_transposed_weight_is_quantised_along_k(assert_same) -> None:
    mx = golden.get_format("mxint8", block_size=8)
    x, weight = torch.randn(3, 20), torch.randn(5, 20)
    result = matmul(quantize_mx(x, mx), quantize_mx(weight, mx).mT, machine(FP32))
    assert_same(result, expected(x, weight.t(), mx, mx, machine(FP32)))


def test_tiles_batch_and_threads_change_nothing() -> None:
    mx = golden.get_format("mxint8")
    x, w = torch.randn(600, 96), torch.randn(96, 1600)
    hw = machine(FP32)
    whole = ours(x, w, mx, mx, hw)
    assert torch.equal(whole[590:], ours(x[590:], w, mx, mx, hw))
    assert torch.equal(whole[:, 1590:], ours(x, w[:, 1590:], mx, mx, hw))
    torch.set_num_threads(2)
    assert torch.equal(whole, ours(x, w, mx, mx, hw))


def test_float64_input_gives_the_same(assert_same) -> None:
    mx = golden.get_format("mxint8", block_size=8)
    x, w = torch.randn(4, 20, dtype=torch.float64), torch.randn(20, 5, dtype=torch.float64)
    assert_same(ours(x, w, mx, mx, machine(FP32)), expected(x, w, mx, mx, machine(FP32)))


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "x_axis", "w_axis", "w_block", "message"),
    [
        ((2, 3), (4, 5), 1, 0, 32, r"cannot multiply \(2, 3\) by \(4, 5\)"),
        ((3,), (3, 5), 0, 0, 32, r"cannot multiply \(3,\)"),
        ((2, 3), (3, 5), 0, 0, 32, "axis 1 of x and 0 of w, got 0 and 0"),
        ((2, 3), (3, 5), 1, 1, 32, "axis 1 of x and 0 of w, got 1 and 1"),
        ((2, 3), (3, 5), 1, 0, 16, "one block size, got mxint8 with 32 and mxint8 with 16"),
    ],
)
def test_bad_operands_are_named(x_shape, w_shape, x_axis, w_axis, w_block, message) -> None:
    x = quantize_mx(torch.ones(x_shape), golden.get_format("mxint8"), x_axis)
    w = quantize_mx(torch.ones(w_shape), golden.get_format("mxint8", block_size=w_block), w_axis)
    with pytest.raises(golden.FormatError, match=message):
        matmul(x, w, golden.HardwareConfig())


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 4, 0), (0, 4, 0)])
def test_a_product_without_outputs_is_empty(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    mx, hw = golden.get_format("mxint8", block_size=2), golden.HardwareConfig()
    a, b = quantize_mx(torch.ones(m, k), mx), quantize_mx(torch.ones(k, n), mx, 0)
    assert matmul(a, b, hw).shape == (m, n)
    exact = golden.ops.matmul(
        golden.quantize(np.ones((m, k)), mx), golden.quantize(np.ones((k, n)), mx, 0), hw
    )
    assert exact.shape == (m, n)


def test_a_sum_of_no_block_is_zero() -> None:
    mx, hw = golden.get_format("mxint8", block_size=2), golden.HardwareConfig()
    none = torch.zeros(2, 0, dtype=torch.uint8)
    a = MxTensor(values=none.float(), scales=none, mx=mx, axis=1)
    b = MxTensor(values=none.float().mT, scales=none.mT, mx=mx, axis=0)
    assert matmul(a, b, hw).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    c = golden.MxArray(codes=none.numpy(), scales=none.numpy(), mx=mx, axis=1)
    d = golden.MxArray(codes=none.numpy().T, scales=none.numpy().T, mx=mx, axis=0)
    assert golden.ops.matmul(c, d, hw).tolist() == [[0, 0], [0, 0]]


def halves(x: torch.Tensor, fmt: MicroMx, axis: int) -> MxTensor:
    """A tensor with micro-exponents as blocks of integers of one bit more: halves of its steps."""
    scales = golden.blocks.quantize(x.numpy(), fmt, axis).scales
    finer = golden.get_format(f"mxint{fmt.element_bits + 1}", block_size=fmt.block_size)
    values = quantize_blocks(x, fmt, axis)
    return MxTensor(values=values, scales=torch.from_numpy(scales), mx=finer, axis=axis)


@pytest.mark.parametrize("acc", ["fp32", "bf16", "e6m5", "q16.16"])
@pytest.mark.parametrize("bits", [(3, 3), (5, 5), (8, 8), (8, 3), (2, 15)], ids=str)
def test_products_of_micro_exponents_are_those_of_a_bit_more(
    bits: tuple[int, int], acc: str, assert_same
) -> None:
    a, b = (MicroMx(element_bits=width, block_size=4) for width in bits)
    x, w = operands(5, 24, 6, seed=sum(bits))
    x[1, 3] = torch.nan
    left, right = golden.blocks.quantize(x.numpy(), a), golden.blocks.quantize(w.numpy().T, b)
    rows, columns = np.divmod(np.arange(30), 6)
    parts = []
    for side, index in ((left, rows), (right, columns)):
        parts += [side.codes[index].reshape(-1, 4), side.micro[index].reshape(-1, 2)]
        parts.append(side.scales[index].ravel())
    first = np.arange(180) % 6 == 0
    sums = golden.ops.micro_dot(*parts, first, a, b, acc)[5::6]
    hw = machine(golden.get_format(acc))
    want = golden.ops.cast(sums, acc, hw.vector_format).reshape(5, 6)
    got = matmul(halves(x, a, 1), halves(w, b, 0), hw)
    assert_same(got, golden.decode(want, hw.vector_format))
