"""What to drive a block with: every input where that is possible, else corners and seeded random.

Everything follows from the registry's ports and the formats. Beats come in chunks of bounded size,
so that 16.8 million pairs never stand in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from plena_cosim.golden import FixedPoint, Minifloat, Mx, Scalar
from plena_cosim.golden.ops.op import Family, without_micro
from plena_cosim.golden.ops.registry import Op

from ..player.harness import CodeArray, input_ports
from .blocks import block_beats, random_beats
from .corners import corner_codes, near_ties
from .products import is_product, product_beats, random_products
from .quotients import quotient_beats
from .scaled_dots import scaled_dot_corners
from .vectors import random_vectors, vector_beats

Beats = dict[str, CodeArray]

EXHAUSTIVE_BITS = 24
"""Inputs of up to this many bits together are all tried."""
CHUNK_LANES = 1 << 20
"""Codes of one input in one chunk."""


def is_scalar(op: Op) -> bool:
    """Whether every input of the op is one code a beat."""
    return all(port.kind == "code" and not port.is_array() for port in op.inputs)


def inputs_word(op: Op, formats: Mapping[str, Any]) -> str:
    """Return how the inputs are chosen: all, corners+random, blocks (MX), slices or vectors.

    Slices are what a matrix product takes in one beat.
    """
    if is_exhaustive(op, formats):
        return "all"
    if is_scalar(op):
        return "corners+random"
    if is_product(op) and op.sizes:
        return "slices"
    return "blocks" if _has_blocks(formats) else "vectors"


def _has_blocks(formats: Mapping[str, Any]) -> bool:
    return any(isinstance(fmt, Mx) for fmt in without_micro(formats).values())


def is_exhaustive(op: Op, formats: Mapping[str, Any]) -> bool:
    """Whether `stimuli` tries every input there is."""
    return input_count(op, formats) > 0


def input_count(op: Op, formats: Mapping[str, Any]) -> int:
    """Return how many inputs there are, 0 where they are too many to try them all."""
    bits = sum(port.total_bits for port in input_ports(op, formats))
    return 1 << bits if is_scalar(op) and bits <= EXHAUSTIVE_BITS else 0


def stimuli(op: Op, formats: Mapping[str, Any], *, seed: int, budget: int) -> Iterator[Beats]:
    """Yield input arrays by port name, chunk by chunk.

    Args:
        op: the operation, whose ports say what is needed.
        formats: its formats.
        seed: for the random part; the same seed gives the same beats on every machine.
        budget: how many random beats; corners (and exhaustive inputs) come on top.
    """
    formats = without_micro(formats)
    if is_product(op):
        yield from product_beats(op, formats, seed=seed, budget=budget)
    elif not is_scalar(op):
        beats = block_beats if _has_blocks(formats) else vector_beats
        yield from beats(op, formats, seed=seed, budget=budget)
        if op.family is Family.SCALED_DOT:
            yield scaled_dot_corners(op, formats)
        if op.name == "fp_to_nvfp4":
            yield from quotient_beats(op, formats, seed=seed, budget=budget // 2)
    elif is_exhaustive(op, formats):
        yield from every_input(op, formats)
    else:
        yield from _corners(op, formats)
        yield from _random(op, formats, seed=seed, budget=budget)


def sample(op: Op, formats: Mapping[str, Any], *, seed: int, count: int) -> Beats:
    """Return `count` random beats.

    A stateful op's first beat does not restart the state, so that a reset has to do it; the last
    beat has a result.

    Args:
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        seed: of the beats.
        count: beats.
    """
    formats = without_micro(formats)
    if is_scalar(op):
        return next(_random(op, formats, seed=seed, budget=count))
    if is_product(op):
        make = random_products
    else:
        make = random_beats if _has_blocks(formats) else random_vectors
    beats = make(np.random.default_rng(seed), op, formats, count)
    if op.stateful:
        beats["first"][0] = 0
    if op.result_when:
        beats[op.result_when][-1] = 1
    return beats


def every_input(
    op: Op, formats: Mapping[str, Any], *, begin: int = 0, end: int | None = None
) -> Iterator[Beats]:
    """Yield every input of a scalar op, the last port's codes changing fastest.

    Args:
        op: the operation.
        formats: its formats.
        begin, end: take only these of the 2^bits inputs; all by default.
    """
    ports = input_ports(op, formats)
    total = 1 << sum(port.total_bits for port in ports)
    stop = total if end is None else min(end, total)
    for start in range(begin, stop, CHUNK_LANES):
        rest = np.arange(start, min(start + CHUNK_LANES, stop), dtype=np.uint64)
        beats: Beats = {}
        for port in reversed(ports):
            beats[port.name] = (rest & np.uint64((1 << port.width_bits) - 1)).astype(port.dtype)
            rest = rest >> np.uint64(port.width_bits)
        yield beats


def _corners(op: Op, formats: Mapping[str, Any]) -> Iterator[Beats]:
    """Yield corners × corners; for one input its corners and what is near the results' ties."""
    ports = input_ports(op, formats)
    specs = [formats[port.fmt] for port in op.inputs]
    if len(specs) == 1:
        dst = formats[op.outputs[0].fmt]
        points = np.unique(np.concatenate([corner_codes(specs[0]), near_ties(specs[0], dst)]))
        grids = [points]
    else:
        grids = [grid.ravel() for grid in np.meshgrid(*map(corner_codes, specs), indexing="ij")]
    for start in range(0, len(grids[0]), CHUNK_LANES):
        part = slice(start, start + CHUNK_LANES)
        yield {
            port.name: grid[part].astype(port.dtype)
            for port, grid in zip(ports, grids, strict=True)
        }


def _random(op: Op, formats: Mapping[str, Any], *, seed: int, budget: int) -> Iterator[Beats]:
    ports = input_ports(op, formats)
    specs = [formats[port.fmt] for port in op.inputs]
    for start in range(0, budget, CHUNK_LANES):
        rng = np.random.default_rng([seed, start])
        count = min(CHUNK_LANES, budget - start)
        codes = [random_codes(rng, specs[0], count)]
        codes += [_related(rng, codes[0], fmt) for fmt in specs[1:]]
        yield {port.name: code.astype(port.dtype) for port, code in zip(ports, codes, strict=True)}


def random_codes(rng: np.random.Generator, fmt: Scalar, count: int) -> CodeArray:
    """Return random codes (uint64), half of them with fractions of a few runs of ones.

    Args:
        rng: numpy's generator, already seeded.
        fmt: the scalar format.
        count: codes.
    """
    codes = rng.integers(0, 1 << fmt.width_bits, count, dtype=np.uint64)
    low_bits = fmt.man_bits if isinstance(fmt, Minifloat) else fmt.width_bits
    ones = (1 << low_bits) - 1
    runs = np.zeros(count, dtype=np.uint64)
    for _ in range(2):
        edges = rng.integers(0, low_bits + 1, (2, count), dtype=np.uint64)
        runs ^= (np.uint64(1) << edges[0]) - (np.uint64(1) << edges[1])
    smooth = (codes & ~np.uint64(ones)) | (runs & np.uint64(ones))
    return np.where(rng.random(count) < 0.5, codes, smooth)


def _related(rng: np.random.Generator, a: CodeArray, fmt: Scalar) -> CodeArray:
    """Return second operands of which most make something of the first.

    One part each: independent; an exponent within reach of the first's (sums that round); minus the
    first but for a few steps (cancellation); an exponent that brings a product to the smallest or
    the largest numbers.
    """
    count = len(a)
    fresh = random_codes(rng, fmt, count)
    if isinstance(fmt, FixedPoint):
        return fresh
    fraction = fresh & np.uint64((1 << fmt.man_bits) - 1)
    sign = fresh & np.uint64(fmt.sign_mask)
    exp_a = (a.astype(np.int64) >> fmt.man_bits) & ((1 << fmt.exp_bits) - 1)
    spread = rng.integers(-fmt.man_bits - 3, fmt.man_bits + 4, count)
    top = (1 << fmt.exp_bits) - 1
    low_product = fmt.bias_value - exp_a + spread // 2
    high_product = fmt.bias_value - exp_a + top + spread // 8

    def with_exponent(exp: CodeArray) -> CodeArray:
        field = np.clip(exp, 0, top).astype(np.uint64) << np.uint64(fmt.man_bits)
        code: CodeArray = sign | field | fraction
        return code

    steps = rng.integers(-2, 3, count).astype(np.uint64)
    mask = np.uint64((1 << fmt.width_bits) - 1)
    cancelling = ((a ^ np.uint64(fmt.sign_mask)) + steps) & mask
    choices = [
        fresh,
        with_exponent(exp_a + spread),
        cancelling,
        with_exponent(low_product),
        with_exponent(high_product),
    ]
    return np.choose(rng.integers(0, len(choices), count), choices)
