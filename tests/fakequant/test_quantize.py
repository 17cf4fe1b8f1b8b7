"""fakequant.quantize equals golden.quantize in every bit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import golden
from plena_cosim.fakequant import ExactnessError, pieces, quantize, quantize_mx
from plena_cosim.fakequant.backend import computed_by
from plena_cosim.fakequant.kernels import torch_steps
from plena_cosim.fakequant.random_bits import random_bits

MX_NAMES = [name for name, spec in golden.FORMATS.items() if isinstance(spec, golden.Mx)]
OTHER_NAMES = ["mxfp16_e5m10", "mxfp4_e1m2", "mxfp3_e2m0", "mxfp2_e1m0", "mxfp13_e2m10"]
OTHER_NAMES += ["mxfp8_e4m3fnuz", "mxfp8_e5m2fnuz", "mxfp3_e2m0fnuz"]
RULES = [rule.value for rule in golden.ScaleRule]
ROUNDINGS = [rounding.value for rounding in golden.Rounding]
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


@pytest.fixture(params=["kernel", "torch"], autouse=True, scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """What computes: every test runs by kernels, and by torch's steps."""
    with nullcontext() if request.param == "kernel" else torch_steps():
        yield request.param


def nasty(n: int, dtype: torch.dtype, *, seed: int, special: bool = False) -> torch.Tensor:
    """Values of every magnitude, blocks of like magnitude, ties, powers of two and what is beside,
    zeros of both signs, subnormals.
    """
    generator = np.random.default_rng(seed)
    spread = {torch.float64: 300, torch.float16: 24}.get(dtype, 148)
    anywhere = np.ldexp(generator.normal(size=n), generator.integers(-spread, spread // 2 + 60, n))
    exps = np.repeat(generator.integers(-spread, 120, -(-n // 32)), 32)[:n]
    alike = np.ldexp(generator.normal(size=n), exps)
    ties = np.ldexp(generator.integers(-64, 65, n) / 4.0, exps)
    powers = np.ldexp(generator.choice([-1.0, 1.0, 0.0, -0.0], n), exps)
    within = np.ldexp(generator.normal(size=n), exps - generator.integers(0, 24, n))
    single = np.abs(powers).astype(np.float32)
    beside = np.nextafter(single, generator.choice([0.0, 3e38], n).astype(np.float32))
    above = np.where(np.arange(n) % 32 < 31, 0.0, np.nextafter(single, np.float32(3e38)))
    zeros = generator.choice([0.0, -0.0], n)
    values = np.concatenate([anywhere, alike, within, ties, powers, beside, above, zeros])
    with np.errstate(over="ignore"):
        tensor = torch.from_numpy(values).to(dtype)
    if not special:
        return torch.where(tensor.isfinite(), tensor, torch.zeros_like(tensor))
    places = torch.from_numpy(generator.random(values.size) < 0.02)
    kinds = torch.from_numpy(generator.choice([np.nan, np.inf, -np.inf], values.size)).to(dtype)
    return torch.where(places, kinds, tensor)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", MX_NAMES + OTHER_NAMES)
def test_every_format_and_rule(name, dtype, golden_quantize, assert_same) -> None:
    x = nasty(512, dtype, seed=1)
    for rule in RULES:
        mx = golden.get_format(name, scale_rule=rule)
        assert_same(quantize(x, mx), golden_quantize(x, mx))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ["mxint4", "mxint8", "mxint16", *OTHER_NAMES, *MX_NAMES[-6:]])
def test_every_rounding_mode(name, rounding, golden_quantize, assert_same) -> None:
    for dtype in DTYPES:
        x = nasty(256, dtype, seed=2, special=True).view(4, -1)[:, :-5]
        mx = golden.get_format(name, rounding=rounding, block_size=16)
        assert_same(quantize(x, mx, seed=11), golden_quantize(x, mx, seed=11))


@pytest.mark.parametrize("scale_bits", range(2, 9))
@pytest.mark.parametrize("special", [False, True])
def test_every_scale_width(scale_bits, special, golden_quantize, assert_same) -> None:
    for name, rule, dtype in itertools.product(
        ["mxint4", "mxfp8_e5m2", "mxfp8_e4m3", "mxfp4_e2m1"], ["floor", "rceil"], DTYPES
    ):
        x = nasty(256, dtype, seed=scale_bits, special=special)
        mx = golden.get_format(name, scale_bits=scale_bits, scale_rule=rule)
        assert_same(quantize(x, mx), golden_quantize(x, mx))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("rule", RULES)
def test_full_range_mxint(rule, rounding, golden_quantize, assert_same) -> None:
    for width, scale_bits in itertools.product((2, 4, 8), (4, 8)):
        x = nasty(256, torch.float32, seed=width, special=True)
        mx = golden.mxint(
            width, symmetric=False, scale_rule=rule, rounding=rounding, scale_bits=scale_bits
        )
        assert_same(quantize(x, mx), golden_quantize(x, mx))


@pytest.mark.parametrize("block_size", [1, 3, 32])
@pytest.mark.parametrize("name", ["mxint2", "mxint8", "mxfp4_e2m1", "mxfp6_e3m2", "mxfp8_e4m3"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_every_16_bit_pattern(dtype, name, block_size, golden_quantize, assert_same) -> None:
    patterns = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16)
    x = (
        patterns.view(dtype).view(-1, 96 if block_size == 3 else 64)
        if block_size != 3
        else (patterns.view(dtype)[: (1 << 16) // 96 * 96].view(-1, 96))
    )
    for rule in ("floor", "even"):
        mx = golden.get_format(name, block_size=block_size, scale_rule=rule)
        assert_same(quantize(x, mx), golden_quantize(x, mx))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_shape_axis_and_block_size(data, golden_quantize, assert_same) -> None:
    shape = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] = data.draw(st.integers(1, 70))
    dtype = data.draw(st.sampled_from(DTYPES))
    mx = golden.get_format(
        data.draw(st.sampled_from(MX_NAMES + OTHER_NAMES)),
        block_size=data.draw(st.sampled_from([1, 2, 5, 16, 32, 64])),
        scale_rule=data.draw(st.sampled_from(RULES)),
        rounding=data.draw(st.sampled_from(ROUNDINGS)),
        scale_bits=data.draw(st.sampled_from([3, 6, 8])),
    )
    seed = data.draw(st.integers(0, 2**64 - 1))
    count = int(np.prod(shape))
    values = nasty(count, dtype, seed=seed % 1000, special=data.draw(st.booleans()))
    start = data.draw(st.integers(0, values.numel() - count))
    x = values[start : start + count].view(shape)
    assert_same(quantize(x, mx, axis, seed=seed), golden_quantize(x, mx, axis, seed))


def test_a_tensor_of_many_pieces(golden_quantize, assert_same, monkeypatch) -> None:
    monkeypatch.setattr(pieces, "_PIECE_VALUES", 20_000)
    # Rows longer than a cache piece, one odd row among usual ones, and a ragged tail.
    x = torch.randn(3, 70_000)
    x[1] *= 2.0**-140
    x[2, 7] = torch.inf
    for name in ("mxint8", "mxfp4_e2m1"):
        mx = golden.get_format(name)
        assert_same(quantize(x, mx), golden_quantize(x, mx))
        assert_same(quantize(x.t(), mx, 0), golden_quantize(x.t(), mx, 0))


@pytest.mark.parametrize("name", ["mxint8", "mxfp8_e5m2", "mxfp16_e5m10"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_quantize_mx_has_goldens_scales(name, axis, assert_same) -> None:
    for scale_bits, special, scale in itertools.product((5, 8), (False, True), (1.0, 2.0**-130)):
        x = nasty(64, torch.float32, seed=3, special=special).view(8, 8, 8)[:, :, :7] * scale
        x[0] = 0.0
        mx = golden.get_format(name, block_size=4, scale_bits=scale_bits)
        expected, ours = golden.quantize(x.numpy(), mx, axis), quantize_mx(x, mx, axis)
        np.testing.assert_array_equal(ours.scales.numpy(), expected.scales)
        assert_same(ours.values, expected.dequantize())
        assert ours.axis == expected.axis
        assert_same(ours.dequantize(torch.bfloat16), _to_bf16(expected.dequantize()))


def _to_bf16(values: np.ndarray) -> np.ndarray:
    bf16 = golden.get_format("bf16")
    return golden.decode(golden.encode(values, bf16, overflow="ieee"), bf16)


def test_usual_values_stay_in_float32_and_others_do_not() -> None:
    mx = golden.get_format("mxint8")
    assert quantize_mx(torch.randn(4, 64), mx).values.dtype == torch.float32
    assert quantize_mx(torch.full((1, 32), 2.0**-119), mx).values.dtype == torch.float32
    assert quantize_mx(torch.full((1, 32), 2.0**-120), mx).values.dtype == torch.float64  # units
    assert quantize_mx(torch.randn(4, 64) * 2.0**-130, mx).values.dtype == torch.float64


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["mxint2", "mxint4", "mxfp4_e2m1", "mxfp2_e1m0", "mxfp8_e5m2"])
def test_blocks_of_every_binade(name, rule, golden_quantize, assert_same) -> None:
    # One block a binade, its largest magnitude at, just above and just below each 16th of it.
    sixteenths = 1 + np.arange(16) / 16
    largest = torch.from_numpy(np.ldexp(sixteenths, np.arange(-149, 128)[:, None])).float()
    up, down = (largest.nextafter(torch.tensor(end)) for end in (torch.inf, 0.0))
    tops = torch.cat([largest, up, down]).flatten()
    tops = tops[tops.isfinite()]
    rest = torch.tensor([1.0, -0.7, 0.5, 0.26, -0.25, 0.11, 0.01])
    x = torch.cat([tops[:, None], tops[:, None] * rest], dim=1)
    for scale_bits in (8, 5):
        mx = golden.get_format(name, block_size=8, scale_rule=rule, scale_bits=scale_bits)
        assert_same(quantize(x, mx), golden_quantize(x, mx))


def test_stochastic_thresholds_are_cut_not_rounded(golden_quantize, assert_same) -> None:
    # The discarded fraction is (r + 3/4) / 2^32, r being the random bits: not below r, so down.
    mx = golden.get_format("mxint8", block_size=2, rounding="stochastic")
    bits = int(random_bits(5, torch.tensor([1])))
    x = torch.tensor([1.0, (bits + 0.75) * 2.0**-32 * 2.0**-6], dtype=torch.float64)
    assert quantize(x, mx, seed=5).tolist() == [1.0, 0.0]
    assert_same(quantize(x, mx, seed=5), golden_quantize(x, mx, seed=5))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_a_batch_draws_as_each_of_it_alone(axis: int, golden_quantize, assert_same) -> None:
    mx = golden.get_format("mxint4", block_size=3, rounding="stochastic")
    x = nasty(4 * 7, torch.float32, seed=9).view(4, 7, 8)
    got = quantize(x, mx, axis, seed=5, batch_axes=1)
    exact = quantize_mx(x, mx, axis, seed=5, batch_axes=1).values
    for place in range(4):
        want = golden_quantize(x[place], mx, axis if axis < 0 else axis - 1, seed=5)
        assert_same(got[place], want)
        assert np.array_equal(exact[place].numpy(), want)
    assert_same(quantize(x, mx, axis, seed=5), golden_quantize(x, mx, axis, seed=5))


@pytest.mark.parametrize(("axis", "batch_axes"), [(0, 1), (1, 2), (-1, 3), (-1, -1)])
def test_blocks_along_a_batch_are_refused(axis: int, batch_axes: int) -> None:
    with pytest.raises(golden.FormatError, match="batch_axes"):
        quantize(torch.ones(2, 3, 4), "mxint4", axis, batch_axes=batch_axes)


@pytest.mark.parametrize("bias", [-40, 30, 100])
def test_elements_with_a_far_bias(bias, golden_quantize, assert_same) -> None:
    for exp_bits, man_bits, rule in itertools.product((1, 2, 5), (0, 4), RULES):
        element = golden.Minifloat(exp_bits=exp_bits, man_bits=man_bits, bias=bias)
        mx = golden.Mx(element=element, scale_rule=rule, block_size=8)
        x = nasty(256, torch.float32, seed=bias + 50)
        assert_same(quantize(x, mx), golden_quantize(x, mx))


def test_the_gradient_passes_straight_through() -> None:
    x = torch.randn(5, 40, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 40, dtype=torch.float64)
    (quantize(x, golden.get_format("mxint4"), 0) * weights).sum().backward()
    assert torch.equal(x.grad, weights)


def test_no_graph_where_no_gradient_is_asked() -> None:
    x = torch.randn(40, requires_grad=True)
    with torch.no_grad():
        assert quantize(x, golden.get_format("mxint4")).grad_fn is None
    assert quantize(x.detach(), golden.get_format("mxint4")).grad_fn is None


def test_the_input_is_left_alone() -> None:
    x = nasty(64, torch.float32, seed=4, special=True)
    before = x.clone()
    quantize(x, golden.get_format("mxfp4_e2m1"))
    quantize_mx(x, golden.get_format("mxint4"))
    assert torch.equal(x.view(torch.int32), before.view(torch.int32))


def test_a_block_does_not_depend_on_its_batch() -> None:
    x = nasty(640, torch.float32, seed=5).view(-1, 64)
    for name in ("mxint4", "mxfp4_e2m1"):
        mx = golden.get_format(name)
        together = quantize(x, mx)
        alone = torch.stack([quantize(row, mx) for row in x])
        assert torch.equal(together.view(torch.int32), alone.view(torch.int32))


def test_threads_change_nothing() -> None:
    x = nasty(20_000, torch.float32, seed=6)
    mx = golden.get_format("mxfp6_e2m3")
    one = quantize(x, mx)
    torch.set_num_threads(2)
    assert torch.equal(quantize(x, mx).view(torch.int32), one.view(torch.int32))


@pytest.mark.parametrize(
    ("x", "mx", "axis", "message"),
    [
        (torch.zeros(0), "mxint4", -1, "need at least one value along an axis, got shape (0,)"),
        (torch.zeros(3, 0), "mxint4", 1, "got shape (3, 0)"),
        (torch.tensor(1.0), "mxint4", -1, "got shape ()"),
        (torch.ones(2, 3), "mxint4", 2, "axis 2 does not exist in shape (2, 3); allowed: -2..1"),
        (torch.ones(2, 3), "mxint4", -3, "axis -3 does not exist"),
        (torch.ones(3, dtype=torch.int32), "mxint4", -1, "got torch.int32"),
        ([1.0], "mxint4", -1, "need a tensor of float32, bfloat16, float16, float64; got list"),
        (torch.ones(3), "bf16", -1, "need an Mx format such as get_format('mxint8')"),
    ],
)
def test_bad_input_is_named(x, mx, axis, message) -> None:
    for function in (quantize, quantize_mx):
        with pytest.raises(golden.FormatError) as error:
            function(x, golden.get_format(mx), axis)
        assert message in str(error.value)


def test_strict_names_the_first_special_value() -> None:
    x = torch.zeros(2, 3, 40)
    x[1, 2, 37] = -torch.inf
    for function, scale_bits in itertools.product((quantize, quantize_mx), (4, 8)):
        with pytest.raises(golden.FormatError, match="-inf at row 5, position 37 along the block"):
            function(x, golden.get_format("mxint4", scale_bits=scale_bits), strict=True)
        with pytest.raises(golden.FormatError, match="-inf at row 117, position 1 along the block"):
            function(x, golden.get_format("mxint4", scale_bits=scale_bits), 0, strict=True)


@pytest.mark.parametrize("rounding", ["rup", "rdown", "rtz", "rna", "stochastic"])
@pytest.mark.parametrize("fmt", ["mxint8", "mxfp8_e4m3", "mxfp8_e5m2", "mxint16"])
def test_what_is_far_below_a_block_still_has_a_direction(
    fmt: str, rounding: str, golden_quantize: Any, assert_same: Any
) -> None:
    mx = golden.get_format(fmt, block_size=4, rounding=rounding)
    x = torch.tensor([1e38, 1e-300, -1e-300, 5e-324, -0.0, 1e38, -5e-324, 1e-30] * 2).double()
    x[1::8], x[2::8], x[3::8], x[6::8] = 1e-300, -1e-300, 5e-324, -5e-324
    assert_same(quantize(x, mx), golden_quantize(x, mx))
    assert_same(quantize(-x * 2.0**-900, mx), golden_quantize(-x * 2.0**-900, mx))


def test_the_least_positive_is_rounded_up_in_a_huge_block() -> None:
    mx = golden.get_format("mxint8", block_size=2, rounding="rup")
    x = torch.tensor([1e38, 1e-300], dtype=torch.float64)
    assert quantize(x, mx)[1] == 2.0**120  # one unit of a block with the scale 2^126


def test_no_row_is_no_error() -> None:
    for shape, axis, scales in (
        ((0, 64), -1, (0, 2)),
        ((64, 0), 0, (2, 0)),
        ((2, 0, 3), 2, (2, 0, 1)),
    ):
        mx = golden.get_format("mxint8", rounding="stochastic" if axis == 2 else "rne")
        assert quantize(torch.zeros(shape), mx, axis).shape == shape
        found = quantize_mx(torch.zeros(shape), mx, axis)
        assert (found.shape, found.scales.shape) == (shape, scales)
        expected = golden.quantize(np.zeros(shape), mx, axis)
        assert (expected.shape, expected.scales.shape) == (shape, scales)


def test_flushing_threads_round_usual_blocks_alike(way) -> None:
    mx = golden.get_format("mxint8", block_size=2)
    x = torch.tensor([2.0**-120, 1.5 * 2.0**-127])  # three quarters of a unit, and subnormal
    expected = quantize(x, mx)
    assert expected[1] == 2.0**-126
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        if way == "kernel":
            assert quantize(x, mx).view(torch.int32).equal(expected.view(torch.int32))
            return
        with pytest.raises(ExactnessError, match="flushes subnormal"):
            quantize(x, mx)
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_out_takes_the_values(dtype) -> None:
    mx = golden.get_format("mxfp6_e2m3", block_size=8)
    x = nasty(63, dtype, seed=8, special=True).view(8, 63)
    for axis in (0, 1):
        want = quantize(x, mx, axis)
        whole = torch.empty(2, 63, 8, dtype=dtype)
        shared = torch.cat([x.flatten(), x.new_zeros(5)])
        shifted = shared[5:].view(8, 63)
        own = x.clone()
        for source, out in (
            (x, torch.empty_like(x)),
            (x, whole[1].t()),
            (own, own),
            (shared[:-5].view(8, 63), shifted),
        ):
            assert quantize(source, mx, axis, out=out) is out
            np.testing.assert_array_equal(out.double().numpy(), want.double().numpy())
            assert torch.equal(out.signbit() | out.isnan(), want.signbit() | want.isnan())


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (torch.ones(2, 3), r"\(3, 2\) of torch.float32 on cpu; got \(2, 3\)"),
        (torch.ones(3, 2).double(), "got .* of torch.float64"),
        (torch.ones(3, 2, device="meta"), "on meta"),
        (torch.ones(3, 2, requires_grad=True), "no gradient through out"),
        ([1.0], "out must be a tensor, got list"),
    ],
)
def test_an_out_that_does_not_fit_is_named(out, message) -> None:
    with pytest.raises(golden.FormatError, match=message):
        quantize(torch.ones(3, 2), "mxint8", out=out)


def test_out_is_as_it_was_after_an_error() -> None:
    x = torch.tensor([1.0, 0.3, torch.nan])
    with pytest.raises(golden.FormatError, match="strict"):
        quantize(x, "mxint4", strict=True, out=x)
    assert x[:2].equal(torch.tensor([1.0, 0.3]))


def test_out_takes_what_a_backend_gives() -> None:
    class Doubled:
        def compute(self, exact, /, *args, **kwargs):
            return 2 * exact(*args, **kwargs)

    x = torch.tensor([1.0, 0.5])
    with computed_by(Doubled()):
        assert quantize(x, "mxint8", out=x) is x
    assert x.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_views_of_memory(axis, golden_quantize, assert_same) -> None:
    mx = golden.get_format("mxfp4_e2m1", block_size=4)
    x = nasty(64, torch.float32, seed=10)
    complex_numbers = torch.complex(x[:96], x[:96]).view(4, 8, 3)
    for view in (
        x.view(-1, 8, 4).permute(2, 0, 1),
        x.view(-1, 8, 4)[::2, 1::3].flip(0),
        x[1:361].view(5, 8, 9),
        x[:8].expand(3, 4, 8),
        complex_numbers.conj().imag,
    ):
        assert_same(quantize(view, mx, axis), golden_quantize(view.resolve_neg(), mx, axis))
