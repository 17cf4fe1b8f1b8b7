"""Two levels of scale, against exact rational arithmetic rounded to fp32 step by step."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden.blocks import TwoLevel, TwoLevelArray, get_block_format, quantize

from ..blocks_oracle import two_level
from ..compare import assert_codes
from .samples import all_kinds, every_bf16, reals

FORMS = ("group", "two_stage")
Singles = npt.NDArray[np.float32]


def made(groups: npt.NDArray[np.floating], form: str, amax: float | None = None) -> TwoLevelArray:
    fmt = TwoLevel(form=form, block_size=groups.shape[1])
    found = quantize(groups, fmt, tensor_amax=amax)
    assert isinstance(found, TwoLevelArray)
    return found


def assert_groups(groups: Singles, form: str, amax: float | None = None) -> None:
    q = made(groups, form, amax)
    exact = None if amax is None else Fraction(amax)
    codes, scales, t, values = two_level(reals(groups.astype(np.float64)), form, exact)
    assert float(q.tensor_scale) == t
    assert_codes(q.scales, scales, lambda i: f"{form}: {groups[i]}")
    size = groups.shape[1]
    assert_codes(
        q.codes,
        [code for row in codes for code in row],
        lambda i: f"{form}: element {i % size} of {groups[i // size]}",
    )
    np.testing.assert_array_equal(q.dequantize(), values)
    number = ~np.isnan(values)
    np.testing.assert_array_equal(np.signbit(q.dequantize())[number], np.signbit(values)[number])
    assert q.has_special == (not np.isfinite(groups).all())


def gaussian(seed: int, spread: int) -> Singles:
    rng = np.random.default_rng(seed)
    exps = rng.integers(-spread, spread + 1, (60, 1))
    return np.ldexp(rng.normal(size=(60, 16)), exps).astype(np.float32)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spread", [0, 5, 12])
def test_groups_of_like_magnitude(form: str, spread: int) -> None:
    for seed in range(4):
        assert_groups(gaussian(seed, spread), form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("exp", [-149, -140, -128, -126, -118, -116, -115, -110, 100, 116, 123])
def test_tensors_of_every_size(form: str, exp: int) -> None:
    for spread in (0, 3):
        with np.errstate(over="ignore", under="ignore"):
            groups = np.ldexp(gaussian(exp + 200, spread), exp)
        assert_groups(groups, form)
        assert_groups(np.abs(groups), form)


@pytest.mark.parametrize("form", FORMS)
def test_groups_of_every_kind(form: str) -> None:
    with np.errstate(over="ignore"):
        groups = all_kinds(5, seed=7).astype(np.float32)
    assert_groups(groups, form)
    usual = np.where(np.abs(groups) < 1e-6, np.float32(0), np.clip(groups, -900, 900))
    assert_groups(usual.astype(np.float32), form)


@pytest.mark.parametrize("form", FORMS)
def test_bf16_values_each_a_group(form: str) -> None:
    x = every_bf16().astype(np.float32)[:, None]
    usual = x[(np.abs(x[:, 0]) >= 2.0**-14) & (np.abs(x[:, 0]) < 8.0)]
    assert_groups(usual[::2], form)


@pytest.mark.parametrize("form", FORMS)
def test_ties_of_elements_and_of_scales(form: str) -> None:
    # The tensor's largest magnitude 2688 = 6 * 448 makes t a power of two, 1.
    quarters = np.arange(-31, 32, dtype=np.float32) / 4
    elements = np.hstack([np.full((63, 1), 6.0), quarters[:, None]]).astype(np.float32)
    sixteenths = np.arange(1, 64, dtype=np.float32)[:, None] / 16 * np.array([6.0, 1.0])
    top = np.array([[2688.0, 1.0]])
    groups = np.vstack([top, elements, sixteenths]).astype(np.float32)
    assert_groups(groups, form)
    assert made(groups, form).tensor_scale == 1.0


def test_scales_by_hand() -> None:
    q = made(np.array([[2688.0, -448.0], [6.0, 1.2]], dtype=np.float32), "group")
    assert q.tensor_scale == 1.0
    assert q.scales.tolist() == [[0x7E], [0x38]]
    assert q.codes.tolist() == [[7, 8 | 2], [7, 2]]
    assert q.dequantize().tolist() == [[2688.0, -448.0], [6.0, 1.0]]


def test_the_forms_differ_in_their_last_bits() -> None:
    x = gaussian(11, 4)
    one, other = made(x, "group").scale_values(), made(x, "two_stage").scale_values()
    assert (one != other).any()
    np.testing.assert_allclose(one, other, rtol=0.07)


@pytest.mark.parametrize("form", FORMS)
def test_special_groups(form: str) -> None:
    x = np.array([[np.nan, 9.0], [3.0, -0.0], [0.0, -0.0], [np.inf, 0.0], [-1e-9, 0.0]])
    q = made(x.astype(np.float32), form)
    assert q.scales.ravel()[[0, 2, 3, 4]].tolist() == [0x7F, 0, 0x7F, 0]
    assert not q.codes[[0, 2, 3, 4]].any()
    assert np.isnan(q.dequantize()[[0, 3]]).all()
    assert np.signbit(q.dequantize()[1, 1])
    assert not np.signbit(q.dequantize()[[2, 4]]).any()
    assert_groups(x.astype(np.float32), form)
    alone = made(np.array([[9.0, 0.0]], dtype=np.float32), form)
    assert q.tensor_scale == alone.tensor_scale  # also of the group with the NaN


@pytest.mark.parametrize("form", FORMS)
def test_a_tensor_of_zeros(form: str) -> None:
    q = made(np.zeros((3, 16), dtype=np.float32), form)
    assert q.tensor_scale == (np.finfo(np.float32).max if form == "group" else 0.0)
    assert not q.codes.any()
    assert not q.scales.any()
    assert not q.dequantize().any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("amax", [0.0, 2.0**-149, 2.0**-120, 2.0**-6, 1.0, 3.0, 900.0, 2.0**127])
def test_a_given_amax_of_the_tensor(form: str, amax: float) -> None:
    for groups in (gaussian(3, 0), gaussian(4, 12), np.ldexp(gaussian(5, 2), 120)):
        assert_groups(groups, form, amax)


@pytest.mark.parametrize("form", FORMS)
def test_the_amax_that_is_found_may_be_given(form: str) -> None:
    groups = gaussian(6, 4)
    found, given = made(groups, form), made(groups, form, float(np.abs(groups).max()))
    assert found.tensor_scale == given.tensor_scale
    np.testing.assert_array_equal(found.codes, given.codes)
    np.testing.assert_array_equal(found.scales, given.scales)


def test_float64_is_rounded_to_fp32_first() -> None:
    x = np.random.default_rng(5).normal(size=(20, 16))
    narrow = made(x.astype(np.float32), "group")
    wide = made(x, "group")
    np.testing.assert_array_equal(wide.codes, narrow.codes)
    assert wide.tensor_scale == narrow.tensor_scale
    assert made(np.array([[1e300, 1.0]]), "group").scales.tolist() == [[0x7F]]


def test_group_size_is_sixteen_unless_given() -> None:
    for name in ("nvfp4", "nvfp4_two_stage"):
        assert get_block_format(name).block_size == 16
        assert get_block_format(name).bits_per_value == 4.5
