"""attention equals golden's, a block of keys at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plena_cosim import fakequant, golden
from plena_cosim.fakequant import MxTensor, quantize_mx

pytestmark = pytest.mark.filterwarnings("ignore::plena_cosim.golden.NanReplacedWarning")

OPERANDS = ("mxint8", "mxint4", "mxfp8_e4m3", "mxfp4_e2m1")
VECTOR = ("bf16", "fp16", "e6m5", "e5m6")
RECIPE = golden.get_format("mxint8", block_size=4)


def operands(mx: golden.Mx, m: int, n: int, d: int, e: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, m, d), (2, n, d), (2, n, e))
    q, k, v = (torch.randn(shape, generator=generator) for shape in shapes)
    return [q * 2, k, v]


def both(tensors, mx, p_mx, hw, mask, block_keys) -> tuple[torch.Tensor, np.ndarray]:
    axes = (-1, -1, -2)
    ours = fakequant.attention(
        *(quantize_mx(t, mx, axis) for t, axis in zip(tensors, axes, strict=True)),
        p_mx,
        hw,
        mask=mask if isinstance(mask, int) else torch.from_numpy(mask),
        block_keys=block_keys,
    )
    expected = golden.ops.attention(
        *(golden.quantize(t.numpy(), mx, axis) for t, axis in zip(tensors, axes, strict=True)),
        p_mx,
        hw,
        mask=mask,
        block_keys=block_keys,
    )
    return ours, golden.decode(expected, hw.vector_format)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(OPERANDS),
    p_name=st.sampled_from(OPERANDS),
    vector=st.sampled_from(VECTOR),
    red=st.sampled_from(["fp32", "bf16"]),
    sizes=st.tuples(*[st.integers(1, 9)] * 4),
    blocks=st.integers(1, 3),
    masking=st.sampled_from(["none", "causal", "random"]),
    seed=st.integers(0, 1 << 30),
)
def test_formats_shapes_and_masks(
    name, p_name, vector, red, sizes, blocks, masking, seed, assert_same
) -> None:
    m, n, d, e = sizes
    mx, p_mx = (golden.get_format(given_name, block_size=4) for given_name in (name, p_name))
    hw = golden.HardwareConfig(
        vlen=4, vector_format=golden.get_format(vector), reduction_format=golden.get_format(red)
    )
    random = np.random.default_rng(seed).integers(0, 3, (2, m, n))
    mask = {"none": 1, "causal": np.tri(m, n, n - m), "random": random}[masking]
    tensors = operands(mx, m, n, d, e, seed)
    assert_same(*both(tensors, mx, p_mx, hw, mask, 4 * blocks))


def test_a_query_that_sees_no_key_and_nan_scales(assert_same) -> None:
    hw = golden.HardwareConfig(vlen=4)
    tensors = operands(RECIPE, 3, 9, 8, 5, 1)
    tensors[1][0, 3, 2] = torch.inf
    tensors[2][1, 8, 1] = torch.nan
    mask = np.ones((3, 9))
    mask[1] = 0
    for vector in ("bf16", "e6m5"):
        machine = replace(hw, vector_format=golden.get_format(vector))
        assert_same(*both(tensors, RECIPE, RECIPE, machine, mask, None))


def test_query_heads_share_keys() -> None:
    """Grouped queries: one key head broadcasts over the query heads of its group."""
    q, k, v = operands(RECIPE, 5, 8, 8, 4, 2)
    hw, axes = golden.HardwareConfig(vlen=4), (-1, -1, -2)
    heads = torch.stack([q[0], q[1]])
    shared = [
        quantize_mx(t, RECIPE, axis) for t, axis in zip((heads, k[0], v[0]), axes, strict=True)
    ]
    together = fakequant.attention(*shared, RECIPE, hw)
    for head in range(2):
        alone = MxTensor(
            values=shared[0].values[head], scales=shared[0].scales[head], mx=RECIPE, axis=1
        )
        assert torch.equal(together[head], fakequant.attention(alone, *shared[1:], RECIPE, hw))


def test_what_does_not_fit_is_named() -> None:
    hw = golden.HardwareConfig(vlen=4)
    q, k, v = operands(RECIPE, 2, 8, 4, 4, 3)
    q, k, w = (quantize_mx(t, RECIPE, -1) for t in (q, k, v))
    v = quantize_mx(v, RECIPE, -2)
    with pytest.raises(golden.FormatError, match="those of v along the keys: axes 2 and 1"):
        fakequant.attention(q, k, w, RECIPE, hw)
    with pytest.raises(golden.FormatError, match="multiple of v's block size 4, got 6"):
        fakequant.attention(q, k, v, RECIPE, hw, block_keys=6)
    short = MxTensor(values=v.values[:, :4], scales=v.scales[:, :1], mx=RECIPE, axis=1)
    with pytest.raises(golden.FormatError, match=r"need k \(…, n, d\) and v \(…, n, e\)"):
        fakequant.attention(q, k, short, RECIPE, hw)
