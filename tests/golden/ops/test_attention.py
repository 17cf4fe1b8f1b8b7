"""attention against its steps: block dots in Fraction, the online softmax one number at a time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import (
    FormatError,
    HardwareConfig,
    Minifloat,
    Mx,
    MxArray,
    decode,
    get_format,
    quantize,
)
from plena_cosim.golden.ops import attention

from ..compare import assert_codes
from ..mx_oracle import accumulate, partial, quantize_block
from ..oracle import scalar
from .step_oracle import Steps
from .test_online_softmax import blocks_of

BF16 = get_format("bf16")
Blocks = list[tuple[list[int], int]]


def product(a: Blocks, b: Blocks, a_mx: Mx, b_mx: Mx, hw: HardwareConfig) -> int:
    """The matrix unit's output for one row and one column, block by block."""
    acc = hw.accumulator_format
    total = 0
    for (x, x_scale), (y, y_scale) in zip(a, b, strict=True):
        total = accumulate(total, partial(x, x_scale, y, y_scale, a_mx, b_mx, acc), acc)
    return scalar(hw.vector_format).encode(scalar(acc).value(total))


def line(codes: npt.NDArray[np.integer], scales: npt.NDArray[np.integer], size: int) -> Blocks:
    """A row or column of an MxArray as blocks."""
    pieces = [codes[i : i + size].tolist() for i in range(0, codes.size, size)]
    return list(zip(pieces, scales.tolist(), strict=True))


def attention_of(
    q: MxArray, k: MxArray, v: MxArray, p_mx: Mx, hw: HardwareConfig, mask: Sequence[Sequence[int]]
) -> list[list[int]]:
    step, size, keys = Steps(hw.vector_format, hw.reduction_format), hw.vlen, k.shape[0]
    scale = step.constant(Fraction(isqrt((1 << 400) // q.shape[1]), 1 << 200))
    outputs = []
    for row in range(q.shape[0]):
        query = line(q.codes[row], q.scales[row], q.mx.block_size)
        scores = [
            step.mul(
                product(query, line(k.codes[j], k.scales[j], k.mx.block_size), q.mx, k.mx, hw),
                scale,
            )
            for j in range(keys)
        ]
        empty = [0] * (-keys % size)
        blocks = np.array(scores + empty).reshape(-1, size).tolist()
        on = np.array([*mask[row], *empty]).reshape(-1, size).tolist()
        steps = blocks_of(step, blocks, on, [1] + [0] * (len(blocks) - 1))
        output = [0] * v.shape[1]
        for index, (p, c, _, _) in enumerate(steps):
            count = min(size, keys - index * size)
            weights = []
            for start in range(0, count, p_mx.block_size):
                values = [step.v.value(a) for a in p[start : min(start + p_mx.block_size, count)]]
                weights.append(quantize_block(values, p_mx))
            here = slice(index * size, index * size + count)
            tall = slice(
                index * size // v.mx.block_size, index * size // v.mx.block_size + len(weights)
            )
            for column in range(v.shape[1]):
                values_of = line(v.codes[here, column], v.scales[tall, column], v.mx.block_size)
                added = product(weights, values_of, p_mx, v.mx, hw)
                output[column] = step.add(step.mul(output[column], c), added)
        r = step.reciprocal(steps[-1][2])
        outputs.append([step.mul(a, r) for a in output])
    return outputs


def operands(
    name: str, queries: int, keys: int, d: int, e: int, size: int, seed: int
) -> tuple[MxArray, MxArray, MxArray, Mx]:
    rng = np.random.default_rng(seed)
    mx = get_format(name, block_size=size)
    q, k = rng.normal(size=(queries, d)) * 2, rng.normal(size=(keys, d))
    return quantize(q, mx), quantize(k, mx), quantize(rng.normal(size=(keys, e)), mx, axis=0), mx


HARDWARE = {
    "bf16": HardwareConfig(vlen=4),
    "bf16-throughout": HardwareConfig(vlen=4, reduction_format=BF16, accumulator_format=BF16),
    "e6m5": HardwareConfig(vlen=4, vector_format=get_format("e6m5")),
    "e4m3-fp16": HardwareConfig(
        vlen=8, vector_format=get_format("e4m3"), reduction_format=get_format("fp16")
    ),
}


@pytest.mark.parametrize("hw", HARDWARE.values(), ids=HARDWARE)
@pytest.mark.parametrize("name", ["mxint8", "mxfp8_e4m3", "mxint4"])
@pytest.mark.parametrize("keys", [4, 11])
def test_attention(hw: HardwareConfig, name: str, keys: int) -> None:
    q, k, v, mx = operands(name, 5, keys, 6, 3, 4, seed=keys)
    mask = np.tri(5, keys, keys - 5, dtype=int)
    mask[3] = 0
    for given in (np.ones_like(mask), mask):
        want = attention_of(q, k, v, mx, hw, given.tolist())
        got = attention(q, k, v, mx, hw, mask=given)
        assert_codes(got, np.array(want), lambda i: f"query {i // 3} output {i % 3}")


def test_p_may_have_a_format_of_its_own() -> None:
    q, k, v, _ = operands("mxint4", 3, 9, 8, 2, 2, seed=1)
    p_mx, hw = get_format("mxfp8_e4m3", block_size=2), HARDWARE["bf16"]
    want = attention_of(q, k, v, p_mx, hw, [[1] * 9] * 3)
    got = attention(q, k, v, p_mx, hw)
    assert_codes(got, np.array(want), lambda i: f"output {i}")


def test_nan_reaches_the_queries_that_see_it() -> None:
    q, k, v, mx = operands("mxint8", 4, 4, 4, 2, 4, seed=2)
    k.scales[2] = 255
    got = decode(attention(q, k, v, mx, HARDWARE["bf16"], mask=np.tri(4)), BF16)
    assert np.isnan(got).all(axis=1).tolist() == [False, False, True, True]


def test_a_query_that_sees_nothing_is_nan() -> None:
    q, k, v, mx = operands("mxint8", 2, 4, 4, 2, 4, seed=2)
    assert (attention(q, k, v, mx, HARDWARE["bf16"], mask=0) == 0x7FC0).all()


def test_what_a_mask_hides_does_not_matter() -> None:
    q, k, v, mx = operands("mxint8", 4, 8, 4, 2, 4, seed=3)
    hw, mask = HARDWARE["bf16"], [1, 1, 1, 1, 0, 0, 0, 0]
    short_k, short_v = (
        MxArray(codes=a.codes[:4], scales=a.scales[:count], mx=mx, axis=a.axis)
        for a, count in ((k, 4), (v, 1))
    )
    np.testing.assert_array_equal(
        attention(q, k, v, mx, hw, mask=mask), attention(q, short_k, short_v, mx, hw)
    )


def test_heads_broadcast_and_stay_apart() -> None:
    rng = np.random.default_rng(4)
    mx, hw = get_format("mxint8", block_size=4), HARDWARE["bf16"]
    q, k, v = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 8, 4)), rng.normal(size=(2, 8, 5))
    whole = attention(quantize(q, mx), quantize(k, mx), quantize(v, mx, axis=-2), mx, hw)
    for head in range(2):
        one = attention(
            quantize(q[head], mx), quantize(k[head], mx), quantize(v[head], mx, axis=0), mx, hw
        )
        np.testing.assert_array_equal(whole[head], one)


def test_close_to_real_attention() -> None:
    """mxint8 of values below 4 is off by 2^-5 at most, p by 2^-8 and V = bf16 by 2^-8 a step."""
    rng = np.random.default_rng(5)
    q, k, v = (rng.normal(size=(16, 16)) for _ in range(3))
    mx = get_format("mxint8", block_size=16)
    got = attention(
        quantize(q, mx), quantize(k, mx), quantize(v, mx, axis=0), mx, HardwareConfig(vlen=16)
    )
    weights = np.exp(q @ k.T / 4)
    real = weights @ v / weights.sum(axis=1, keepdims=True)
    assert np.abs(decode(got, BF16) - real).max() < 0.1


def test_bad_operands_are_named() -> None:
    q, k, v, mx = operands("mxint8", 2, 8, 4, 2, 4, seed=6)
    hw = HARDWARE["bf16"]
    with pytest.raises(FormatError, match=r"need k \(…, n, d\) and v \(…, n, e\), got \(8, 4\)"):
        attention(q, k, operands("mxint8", 2, 9, 4, 2, 4, seed=6)[2], mx, hw)
    with pytest.raises(FormatError, match="axes 1 and 0, got 1 and 1"):
        attention(q, k, quantize(np.ones((8, 2)), mx), mx, hw)
    with pytest.raises(FormatError, match="multiple of v's block size 4, got 6"):
        attention(q, k, v, mx, hw, block_keys=6)


def test_formats_are_arguments() -> None:
    q, k, v, mx = operands("mxint8", 2, 8, 4, 2, 4, seed=7)
    fp32: Minifloat = get_format("fp32")
    wide = attention(q, k, v, mx, HardwareConfig(vlen=4, vector_format=fp32))
    narrow = attention(q, k, v, mx, HARDWARE["bf16"])
    np.testing.assert_allclose(decode(wide, fp32), decode(narrow, BF16), rtol=0, atol=2.0**-5)
