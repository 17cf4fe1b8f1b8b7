"""Beats for ports that carry whole MX blocks: blocks with a purpose, and raw random bits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import (
    FixedPoint,
    Mx,
    NanReplacedWarning,
    Scalar,
    ScaleRule,
    decode,
    encode,
)
from plena_cosim.golden.formats import CLIP_BELOW
from plena_cosim.golden.ops.registry import Op

from ..player.harness import CodeArray, input_ports
from .corners import corner_codes

Values = npt.NDArray[np.float64]
Rng = np.random.Generator

CHUNK_BEATS = 1 << 13


def block_beats(
    op: Op, formats: Mapping[str, Any], *, seed: int, budget: int
) -> Iterator[dict[str, CodeArray]]:
    """Yield beats for an op with block ports; `budget` beats in all, and at least one chunk.

    Where one element and its scale fit 16 bits (and nothing else comes in), every pair of them
    comes first. Then, for whatever comes out as scalar codes, beats that hit its corner values.

    Args:
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        seed: of the random beats.
        budget: beats in all.
    """
    kinds = [port.kind for port in op.inputs]
    if kinds == ["element", "scale"]:
        yield from _every_element_and_scale(op, formats)
        if not isinstance(formats[op.outputs[0].fmt], Mx):
            yield result_corners(op, formats)
    if kinds == ["byte"]:  # no bit set, and one
        (port,) = input_ports(op, formats)
        yield {port.name: np.eye(port.lanes + 1, port.lanes, dtype=port.dtype)}
    if "keys" in op.sizes:
        yield value_corners(op, formats)
    for start in range(0, budget, CHUNK_BEATS):
        rng = np.random.default_rng([seed, start])
        count = min(CHUNK_BEATS, budget - start)
        yield random_beats(rng, op, formats, count)


def _every_element_and_scale(op: Op, formats: Mapping[str, Any]) -> Iterator[dict[str, CodeArray]]:
    codes_port, scale_port = input_ports(op, formats)
    if codes_port.width_bits + scale_port.width_bits > 16:
        return
    codes = np.arange(1 << codes_port.width_bits)
    blocks = np.resize(codes, (-(-codes.size // codes_port.lanes), codes_port.lanes))
    scales = np.arange(1 << scale_port.width_bits)
    yield {
        codes_port.name: np.tile(blocks, (scales.size, 1)).astype(codes_port.dtype),
        scale_port.name: np.repeat(scales, len(blocks)).astype(scale_port.dtype),
    }


def result_corners(op: Op, formats: Mapping[str, Any]) -> dict[str, CodeArray]:
    """Return blocks of equal elements whose values are the results' corners, or next to them."""
    codes_port, scale_port = input_ports(op, formats)
    codes, scales = _corner_elements(formats[op.inputs[0].fmt], formats[op.outputs[0].fmt])
    return {
        codes_port.name: np.repeat(codes[:, None], codes_port.lanes, 1).astype(codes_port.dtype),
        scale_port.name: scales.astype(scale_port.dtype),
    }


def value_corners(op: Op, formats: Mapping[str, Any]) -> dict[str, CodeArray]:
    """Return attention to one key, or two alike, of which the first has a corner for a value.

    Each beat is a query. Queries and keys are 0, so that the scores are; the output is the value,
    or half of it.
    """
    codes, scales = _corner_elements(formats["v"], formats[op.outputs[0].fmt])
    count, keys = 2 * codes.size, formats["keys"]
    seen = np.repeat([1, 2], codes.size)[:, None]
    first_key = np.arange(formats["cols"] * keys) % keys == 0
    beats = {
        "q_scale": formats["q"].scale_bias,
        "k_scale": formats["k"].scale_bias,
        "v_codes": np.tile(codes, 2)[:, None] * first_key,
        "v_scale": np.tile(scales, 2)[:, None],
        "mask": np.arange(keys) < seen,
        "first": np.ones((count, 1), dtype=int),
        "last": np.ones((count, 1), dtype=int),
    }
    return {
        port.name: np.broadcast_to(beats.get(port.name, 0), (count, port.lanes))
        .reshape(port.shape(count))
        .astype(port.dtype)
        for port in input_ports(op, formats)
    }


def _corner_elements(mx: Mx, dst: Scalar) -> tuple[CodeArray, CodeArray]:
    """Return codes of elements and of scales whose values are the corners of `dst`, or nearly."""
    corners = decode(corner_codes(dst), dst)
    values = corners[np.isfinite(corners) & (corners != 0)]
    exps = np.frexp(values)[1] - 1 - mx.element.emax
    scales = np.clip(exps, mx.min_scale_exp, mx.max_scale_exp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)
        codes = encode(np.ldexp(values, -scales), mx.element)
    return codes.astype(np.uint64), (scales + mx.scale_bias).astype(np.uint64)


def random_beats(rng: Rng, op: Op, formats: Mapping[str, Any], count: int) -> dict[str, CodeArray]:
    """Return `count` random beats for every input of the op.

    Args:
        rng: numpy's generator, already seeded.
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        count: beats.
    """
    lanes = {port.name: port for port in input_ports(op, formats)}
    beats: dict[str, CodeArray] = {}
    for port in op.inputs:
        shape = lanes[port.name].shape(count)
        if port.kind == "code":
            codes = _value_blocks(rng, formats[port.fmt], _first_mx(formats), shape)
        elif port.kind == "element":
            codes = element_blocks(rng, formats[port.fmt], shape)
        elif port.kind == "flag":
            codes = random_flags(rng, shape)
            if port.is_array() or port.name == op.result_when:  # masks: most lanes stay
                often = rng.random((count, *(1 for _ in shape[1:]))) < 0.5
                codes = np.where(often, 1 - codes, codes)
        elif port.kind == "scale" and _meets_others(op):
            codes = _scales_near_one(rng, formats[port.fmt], shape)
        else:
            codes = rng.integers(0, 1 << lanes[port.name].width_bits, shape, dtype=np.uint64)
        beats[port.name] = codes.astype(lanes[port.name].dtype)
    return beats


def _meets_others(op: Op) -> bool:
    """Whether elements of several blocks are multiplied, so that scales have to fit each other."""
    return sum(port.kind == "scale" for port in op.inputs) > 1


def _scales_near_one(rng: Rng, mx: Mx, shape: tuple[int, ...]) -> CodeArray:
    """Return scales around 1, a few binades apart in some beats, or all of a beat anywhere."""
    apart = rng.normal(0, 1, shape) * rng.choice([0.0, 1.0, 3.0], (shape[0], 1))
    anywhere = rng.integers(mx.min_scale_exp, mx.max_scale_exp + 1, (shape[0], 1))
    apart += np.where(rng.random((shape[0], 1)) < 0.15, anywhere, 0)
    near = np.clip(np.rint(apart), mx.min_scale_exp, mx.max_scale_exp) + mx.scale_bias
    anything = rng.integers(0, 1 << mx.scale_bits, shape)
    return np.where(rng.random((shape[0], 1)) < 0.1, anything, near).astype(np.uint64)


def random_flags(rng: Rng, shape: tuple[int, ...]) -> CodeArray:
    """Return flags that are rare in some beats and usual in others."""
    density = rng.choice([0.02, 0.2, 0.5], (shape[0], *(1 for _ in shape[1:])))
    return (rng.random(shape) < density).astype(np.uint64)


def _first_mx(formats: Mapping[str, Any]) -> Mx:
    return next(fmt for fmt in formats.values() if isinstance(fmt, Mx))


# ---------------------------------------------------------------- blocks of scalar codes


def _value_blocks(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, ...]) -> CodeArray:
    """Return blocks of codes of `src` that try what a quantiser to `mx` can get wrong."""
    makers: list[Callable[..., CodeArray]] = [
        _raw,
        _gaussian,
        _spread,
        _near_powers,
        _near_element_ties,
        _sparse,
        _corner_blocks,
        _subnormal,
        _with_specials,
    ]
    owner = rng.integers(0, len(makers), shape[0])
    codes = np.zeros(shape, dtype=np.uint64)
    for index, maker in enumerate(makers):
        rows = np.flatnonzero(owner == index)
        codes[rows] = maker(rng, src, mx, (rows.size, shape[1]))
    # Some whole-block rarities: all +0, all -0 (the sign bit alone), all largest.
    rare = rng.integers(0, 400, shape[0])
    for index, code in enumerate((0, 1 << (src.width_bits - 1), src.max_code)):
        codes[rare == index] = code
    return codes


def encoded(values: npt.NDArray[Any], src: Scalar) -> CodeArray:
    """Return values as codes, saturating."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanReplacedWarning)
        return encode(values, src).astype(np.uint64)


def _block_exponents(rng: Rng, src: Scalar, mx: Mx, rows: int) -> npt.NDArray[np.int64]:
    """Return a binade a block: half over all of `src`, half where the scale can still follow."""
    anywhere = rng.integers(src.lsb_exp, src.emax + 1, rows)
    low = max(src.lsb_exp, mx.min_scale_exp + mx.element.emax - 6)
    high = min(src.emax, mx.max_scale_exp + mx.element.emax + 3)
    followed = rng.integers(low, max(low, high) + 1, rows)
    return np.where(rng.random(rows) < 0.5, anywhere, followed)[:, None]


def _raw(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    return rng.integers(0, 1 << src.width_bits, shape, dtype=np.uint64)


def _gaussian(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    values = np.ldexp(rng.standard_normal(shape), _block_exponents(rng, src, mx, shape[0]))
    return encoded(values, src)


def _spread(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    below = rng.integers(0, 2 * mx.element.man_bits + 8, shape)
    signs = rng.choice([-1.0, 1.0], shape)
    exponents = _block_exponents(rng, src, mx, shape[0]) - below
    return encoded(np.ldexp(signs * rng.uniform(1, 2, shape), exponents), src)


def _near_powers(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    """The largest magnitude at, just below and just above what decides the scale."""
    ties = 2.0 - np.ldexp(1.0, -mx.even_bits - 1)  # where `even` carries
    largest = mx.element.max_value / 2.0**mx.element.emax  # where `rceil` steps
    edges = [1.0, ties, largest, 2.0 - np.ldexp(1.0, -mx.element.man_bits)]
    if mx.scale_rule is ScaleRule.CLIP:
        edges += [1.0 + CLIP_BELOW] * len(edges)  # as often as all others: they matter less here
    edge = rng.choice(edges, shape)
    below = rng.choice([0, 0, 1, 2, 5], shape)
    exponents = _block_exponents(rng, src, mx, shape[0]) - below
    codes = encoded(np.ldexp(rng.choice([-1.0, 1.0], shape) * edge, exponents), src)
    steps = rng.choice([-1, 0, 0, 1], shape).astype(np.uint64)
    return (codes + steps) & np.uint64((1 << src.width_bits) - 1)


def _near_element_ties(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    """Elements at and beside the midpoints between neighbours, under one dominating element."""
    element = mx.element
    every = 1 << element.width_bits
    some = np.arange(every) if every <= 1 << 12 else rng.integers(0, every, 1 << 12)
    grid = decode(some.astype(np.uint64), element)
    grid = np.unique(grid[np.isfinite(grid)])
    middles = (grid[:-1] + grid[1:]) / 2
    values = rng.choice(middles, shape)
    values[:, 0] = rng.choice([-1.0, 1.0], shape[0]) * 2.0**element.emax
    exponents = _block_exponents(rng, src, mx, shape[0]) - element.emax
    codes = encoded(np.ldexp(values, exponents), src)
    steps = rng.choice([-1, 0, 0, 1], shape).astype(np.uint64)
    steps[:, 0] = 0
    return (codes + steps) & np.uint64((1 << src.width_bits) - 1)


def _sparse(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    kept = rng.random(shape) < rng.choice([0.02, 0.1, 0.5], (shape[0], 1))
    zeros = rng.choice([0, 1 << (src.width_bits - 1)], shape).astype(np.uint64)
    return np.where(kept, _gaussian(rng, src, mx, shape), zeros)


def _corner_blocks(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    return rng.choice(corner_codes(src), shape)


def _subnormal(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    magnitude = rng.integers(0, 1 << (src.man_bits + 1), shape, dtype=np.uint64)
    magnitude >>= rng.integers(0, src.man_bits + 1, (shape[0], 1), dtype=np.uint64)
    return magnitude | rng.choice([0, 1 << (src.width_bits - 1)], shape).astype(np.uint64)


def _with_specials(rng: Rng, src: Scalar, mx: Mx, shape: tuple[int, int]) -> CodeArray:
    codes = _gaussian(rng, src, mx, shape)
    every = corner_codes(src)
    specials = every[~np.isfinite(decode(every, src))]
    if specials.size == 0:
        return codes
    hit = rng.random(shape) < rng.choice([0.02, 0.2, 1.0], (shape[0], 1))
    return np.where(hit, rng.choice(specials, shape), codes)


# ---------------------------------------------------------------- blocks of MX elements


def element_blocks(rng: Rng, mx: Mx, shape: tuple[int, ...]) -> CodeArray:
    """Return element codes: random; mostly zero; one; corners; all the same; without specials.

    Args:
        rng: numpy's generator, already seeded.
        mx: the block format.
        shape: of the codes; blocks lie along the last axis.
    """
    width = mx.element.width_bits
    raw = rng.integers(0, 1 << width, shape, dtype=np.uint64)
    finite = np.flatnonzero(np.isfinite(decode(np.arange(1 << width), mx.element)))
    clean = rng.choice(finite.astype(np.uint64), shape)
    corners = rng.choice(corner_codes(mx.element), shape)
    few = np.where(rng.random(shape) < 0.06, clean, np.uint64(0))
    same = np.broadcast_to(clean[:, :1], shape)
    ends = [
        mx.element.max_code,
        (1 << (width - 1)) | (mx.element.max_code & ((1 << width - 1) - 1)),
    ]
    if isinstance(mx.element, FixedPoint):
        ends = [mx.element.max_code, mx.element.max_code + 1, mx.element.max_code + 2]
    largest = rng.choice(np.array(ends, dtype=np.uint64), shape)
    choices = [raw, clean, clean, corners, few, same, largest]
    return np.choose(rng.integers(0, len(choices), (shape[0], 1)), choices)
