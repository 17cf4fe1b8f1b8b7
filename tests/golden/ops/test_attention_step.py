"""attention_step: beat by beat it is attention, whatever runs before, after and beside a query."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import FormatError, HardwareConfig, decode, get_format, quantize
from plena_cosim.golden.ops import attention, attention_step

Array = npt.NDArray[Any]
HARDWARE = {
    "bf16": HardwareConfig(),
    "e6m5-q16.16": HardwareConfig(
        vector_format=get_format("e6m5"), accumulator_format=get_format("q16.16")
    ),
    "e4m3-fp16": HardwareConfig(
        vector_format=get_format("e4m3"), reduction_format=get_format("fp16")
    ),
}
NAMES = (
    ("mxint8", "mxint8", "mxint8", "mxint8"),
    ("mxfp8_e4m3", "mxint4", "mxint6", "mxfp4_e2m1"),
)


def beats_of(
    names: tuple[str, ...], queries: int, total: int, size: int, keys: int, seed: int
) -> tuple[dict[str, Any], tuple[Any, ...], Array]:
    """Ports of a unit with `keys` keys a beat that does these queries one after another.

    Also q, k, v, P's format for `attention`, and the mask. The last block is padded with masked
    keys of value 0.
    """
    depth, cols = 2 * size, 3
    rng = np.random.default_rng(seed)
    mx = [get_format(name, block_size=size) for name in names]
    q = quantize(rng.normal(size=(queries, depth)) * 2, mx[0])
    k_real, v_real = rng.normal(size=(total, depth)), rng.normal(size=(total, cols))
    k, v = quantize(k_real, mx[1]), quantize(v_real, mx[3], axis=0)
    mask = rng.random((queries, total)) < 0.8

    blocks = -(-total // keys)
    empty = [(0, blocks * keys - total), (0, 0)]
    k_all, v_all = (
        quantize(np.pad(k_real, empty), mx[1]),
        quantize(np.pad(v_real, empty), mx[3], axis=0),
    )
    place = np.arange(blocks)
    per_block = keys // size

    def rows(array: Array) -> Array:
        return np.tile(array.reshape(blocks, -1), (queries, 1))

    def columns(array: Array, count: int) -> Array:
        return rows(array.reshape(blocks, count, cols).swapaxes(1, 2))

    ports = {
        "q_codes": np.repeat(q.codes, blocks, axis=0),
        "q_scale": np.repeat(q.scales, blocks, axis=0),
        "k_codes": rows(k_all.codes),
        "k_scale": rows(k_all.scales),
        "v_codes": columns(v_all.codes, keys),
        "v_scale": columns(v_all.scales, per_block),
        "mask": np.pad(mask, [(0, 0), empty[0]]).reshape(-1, keys),
        "first": np.tile(place == 0, queries),
        "last": np.tile(place == blocks - 1, queries),
    }
    formats = {"q": mx[0], "k": mx[1], "p": mx[2], "v": mx[3]}
    return ports | formats | {"keys": keys, "depth": depth, "cols": cols}, (q, k, v, mx[2]), mask


def scalars(hw: HardwareConfig) -> dict[str, Any]:
    return {"acc": hw.accumulator_format, "fmt": hw.vector_format, "red": hw.reduction_format}


@pytest.mark.parametrize("hw", HARDWARE.values(), ids=HARDWARE)
@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
@pytest.mark.parametrize(("total", "size", "keys"), [(4, 4, 4), (11, 2, 4), (9, 3, 3), (5, 1, 2)])
def test_beats_with_last_are_attention(
    hw: HardwareConfig, names: tuple[str, ...], total: int, size: int, keys: int
) -> None:
    given, operands, mask = beats_of(names, 12, total, size, keys, seed=total)
    got = attention_step(**given, **scalars(hw))
    want = attention(*operands, hw, mask=mask, block_keys=keys)
    np.testing.assert_array_equal(got[given["last"]], want)
    assert (decode(got, hw.vector_format) != 0).mean() > 0.5


def test_every_beat_is_attention_over_the_keys_so_far() -> None:
    hw = HARDWARE["bf16"]
    given, (q, k, v, p), mask = beats_of(NAMES[0], 6, 16, 4, 4, seed=1)
    got = attention_step(**given, **scalars(hw)).reshape(6, 4, -1)
    for block in range(4):
        seen = mask & (np.arange(16) < 4 * (block + 1))
        want = attention(q, k, v, p, hw, mask=seen, block_keys=4)
        np.testing.assert_array_equal(got[:, block], want)


def test_the_unit_starts_at_nothing_and_last_changes_no_state() -> None:
    hw = HARDWARE["bf16"]
    given, _, _ = beats_of(NAMES[0], 3, 8, 4, 4, seed=2)
    want = attention_step(**given, **scalars(hw))
    given["first"] = given["first"].copy()
    given["first"][0] = False
    np.testing.assert_array_equal(attention_step(**given, **scalars(hw)), want)
    given["last"] = ~given["last"]
    np.testing.assert_array_equal(attention_step(**given, **scalars(hw)), want)
    given["first"][2] = False
    assert (attention_step(**given, **scalars(hw))[2:4] != want[2:4]).any()


def test_a_nan_scale_of_values_reaches_one_column() -> None:
    hw = HARDWARE["bf16"]
    given, _, _ = beats_of(NAMES[0], 2, 4, 4, 4, seed=3)
    given["v_scale"] = given["v_scale"].copy()
    given["v_scale"][0, 1] = 255
    nan = np.isnan(decode(attention_step(**given, **scalars(hw)), hw.vector_format))
    assert nan.tolist() == [[False, True, False], [False] * 3]


def test_sizes_that_do_not_fit_are_named() -> None:
    given, _, _ = beats_of(NAMES[0], 2, 4, 4, 4, seed=3)
    with pytest.raises(
        FormatError, match="keys 6 and depth 8 must be multiples of the block size 4"
    ):
        attention_step(**(given | {"keys": 6}), **scalars(HARDWARE["bf16"]))
    with pytest.raises(FormatError, match="need arrays of shapes"):
        attention_step(**(given | {"depth": 12}), **scalars(HARDWARE["bf16"]))
