"""Beats for quantisers that divide by a scale: quotients at the midpoints between two elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from plena_cosim.golden import Minifloat, Overflow, decode, encode
from plena_cosim.golden.ops.registry import Op

from ..player.harness import CodeArray, input_ports
from .blocks import Rng, encoded

CHUNK_BEATS = 1 << 12


def quotient_beats(
    op: Op, formats: Mapping[str, Any], *, seed: int, budget: int
) -> Iterator[dict[str, CodeArray]]:
    """Yield `budget` blocks whose lanes lie at a midpoint times their scale, or a step beside.

    Args:
        op: fp_to_nvfp4, whose golden function says which scale a block has.
        formats: its arguments by name: formats and sizes.
        seed: of the beats.
        budget: beats.
    """
    for start in range(0, budget, CHUNK_BEATS):
        rng = np.random.default_rng([seed, start])
        yield _chunk(rng, op, formats, min(CHUNK_BEATS, budget - start))


def _chunk(rng: Rng, op: Op, formats: Mapping[str, Any], count: int) -> dict[str, CodeArray]:
    src, fmt, element = (formats[name] for name in ("src", "fmt", "element"))
    x, t = (port for port in input_ports(op, formats) if port.name in ("x", "t"))
    largest = np.ldexp(rng.uniform(1, 2, count), _binades(rng, src, fmt, count))
    wanted = np.exp2(rng.uniform(formats["scale"].lsb_exp - 1, formats["scale"].emax + 2, count))
    beats = {
        "x": np.repeat(encoded(largest, src)[:, None], x.lanes, axis=1).astype(x.dtype),
        "t": encoded(wanted * element.max_value / largest, fmt).astype(t.dtype),
    }
    scales = decode(op.run_golden(beats, **formats)["scale"], formats["scale"])
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = scales / decode(beats["t"], fmt)
    known = np.where(np.isfinite(steps), steps, 0.0)
    divisors = decode(encode(known, fmt, overflow=Overflow.IEEE), fmt)
    magnitudes = decode(np.arange(element.max_code + 1), element)
    middles = rng.choice((magnitudes[:-1] + magnitudes[1:]) / 2, (count, x.lanes))
    with np.errstate(invalid="ignore"):
        near = encoded(np.nan_to_num(divisors[:, None] * middles), src).astype(np.int64)
    near = np.clip(near + rng.integers(-1, 2, near.shape), 0, src.max_code)
    # The first lane stays the largest, which the scale was made of.
    near = np.minimum(near, beats["x"][:, :1])
    near[:, 0] = beats["x"][:, 0]
    signs = rng.integers(0, 2, near.shape) * src.sign_mask
    return {"x": (near | signs).astype(x.dtype), "t": beats["t"]}


def _binades(rng: Rng, src: Minifloat, fmt: Minifloat, count: int) -> CodeArray:
    """Return binades of normal numbers of both formats."""
    low, high = max(src.emin, fmt.emin), min(src.emax, fmt.emax)
    return rng.integers(low, high + 1, count)
