"""mx_requantize against the oracle's own quantiser on exact values, and its fixed points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, Mx, get_format, quantize
from plena_cosim.golden.ops import mx_requantize

from .. import mx_oracle

PAIRS = [
    ("mxint8", "mxint4", {}),
    ("mxint8", "mxfp4_e2m1", {}),
    ("mxfp8_e4m3", "mxint4", {"scale_rule": "rceil"}),
    ("mxfp8_e5m2", "mxfp6_e2m3", {"scale_rule": "even"}),
    ("mxfp4_e2m1", "mxint8", {"scale_rule": "ceil"}),
    ("mxint8", "mxint4", {"scale_rule": "clip"}),
    ("mxfp4_e2m1", "mxint4", {"scale_rule": "clip"}),
    ("mxint4", "mxint6", {"scale_bits": 5}),
]


def random_block(mx: Mx, rng: np.random.Generator, count: int) -> tuple[Any, Any]:
    codes = rng.integers(0, 1 << mx.element.width_bits, (count, mx.block_size))
    return codes, rng.integers(0, 1 << mx.scale_bits, count)


@pytest.mark.parametrize(("src_name", "dst_name", "options"), PAIRS)
def test_equals_the_oracle(src_name: str, dst_name: str, options: dict[str, Any]) -> None:
    src = get_format(src_name, block_size=4)
    dst = get_format(dst_name, block_size=4, **options)
    codes, scales = random_block(src, np.random.default_rng(5), 400)
    found = mx_requantize(codes, scales, src, dst)
    for row, scale, got_codes, got_scale in zip(
        codes.tolist(), scales.tolist(), *found, strict=True
    ):
        values = mx_oracle.block_values(row, scale, src)
        want = mx_oracle.quantize_block(values, dst)
        assert (got_codes.tolist(), int(got_scale)) == want


def test_the_same_format_changes_nothing_that_a_quantiser_made() -> None:
    mx = get_format("mxfp8_e4m3", block_size=8)
    x = np.random.default_rng(2).standard_normal((50, 8))
    q = quantize(x, mx)
    codes, scales = mx_requantize(q.codes, q.scales[:, 0], mx, mx)
    np.testing.assert_array_equal(codes, q.codes)
    np.testing.assert_array_equal(scales, q.scales[:, 0])


def test_shapes_that_do_not_fit_are_named() -> None:
    mx = get_format("mxint8", block_size=4)
    with pytest.raises(FormatError, match=r"mx_requantize: need codes of shape \(n, 4\)"):
        mx_requantize([[0, 0, 0]], [0], mx, mx)
    with pytest.raises(FormatError, match="block size"):
        mx_requantize([[0] * 4], [0], mx, get_format("mxint8", block_size=8))
