"""Beats for ports that carry vectors of scalar codes: rows with a purpose, and raw random bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from plena_cosim.golden import Scalar, decode
from plena_cosim.golden.ops.registry import Op

from ..player.harness import CodeArray, input_ports
from .blocks import Rng, encoded, random_flags
from .corners import corner_codes

CHUNK_BEATS = 1 << 12
EVERY_CODE_BITS = 16
GAINS = (1.0, 2**0.5, 2.0, 2**1.5, 4.0, 2**2.5)
"""Of a corner of the result: what a normalised transform of a few lanes takes away again."""


def drives_every_code(op: Op, formats: Mapping[str, Any]) -> bool:
    """Whether `vector_beats` puts every code of the op's one vector into some lane."""
    ports = input_ports(op, formats)
    return len(ports) == 1 and ports[0].width_bits <= EVERY_CODE_BITS


def corner_rows(op: Op, formats: Mapping[str, Any]) -> Iterator[dict[str, CodeArray]]:
    """Yield rows with a corner in one lane, in a few or in all; the other ports are 0 or 1.

    Masks are all set, and then all clear: what a seed or a row of ones or zeros passes on unchanged
    comes out as a corner.
    """
    ports = input_ports(op, formats)
    specs = {port.name: port for port in op.inputs}
    coded = [port for port in ports if specs[port.name].kind == "code"]
    for chosen in coded:
        corners = _gained_corners(formats[specs[chosen.name].fmt])
        count = len(corners)
        lane = np.arange(chosen.lanes)
        single = np.arange(count)[:, None] % chosen.lanes == lane
        few = lane < formats.get("block", chosen.lanes & -chosen.lanes)  # what a transform takes
        for where, others, flag in product((single, few, lane >= 0), (0.0, 1.0), (1, 0)):
            beats: dict[str, CodeArray] = {}
            for port in ports:
                spec = specs[port.name]
                if spec.kind == "flag":
                    rows = np.full((count, port.lanes), flag)
                elif port is chosen:
                    rows = np.where(where, corners[:, None], 0)
                else:
                    filler = encoded(np.array([others]), formats[spec.fmt])
                    rows = np.full((count, port.lanes), filler[0])
                beats[port.name] = rows.reshape(port.shape(count)).astype(port.dtype)
            yield beats


def _gained_corners(fmt: Scalar) -> CodeArray:
    """Return corners, and what becomes one when a gain is taken away."""
    corners = corner_codes(fmt)
    values = decode(corners, fmt)
    finite = values[np.isfinite(values)]
    gained = [encoded(finite * gain, fmt).astype(np.uint64) for gain in GAINS]
    return np.unique(np.concatenate([corners, *gained]))


def vector_beats(
    op: Op, formats: Mapping[str, Any], *, seed: int, budget: int
) -> Iterator[dict[str, CodeArray]]:
    """Yield rows of corners, every code of an op with one vector, then `budget` random beats.

    Args:
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        seed: of the random beats.
        budget: beats besides the corners.
    """
    yield from corner_rows(op, formats)
    ports = input_ports(op, formats)
    if drives_every_code(op, formats):
        codes = np.arange(1 << ports[0].width_bits)
        rows = np.resize(codes, ports[0].shape(-(-codes.size // ports[0].lanes)))
        yield {ports[0].name: rows.astype(ports[0].dtype)}
    for start in range(0, budget, CHUNK_BEATS):
        rng = np.random.default_rng([seed, start])
        yield random_vectors(rng, op, formats, min(CHUNK_BEATS, budget - start))


def random_vectors(
    rng: Rng, op: Op, formats: Mapping[str, Any], count: int
) -> dict[str, CodeArray]:
    """Return `count` random beats for every input of the op.

    The ports of most beats share a kind of row and a magnitude, so that what meets in an operation
    is often of the same size; in one beat of four each port draws its own kind.

    Args:
        rng: numpy's generator, already seeded.
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        count: beats.
    """
    shared = rng.integers(0, len(_MAKERS), count)
    alike = rng.random(count) < 0.75
    centre = rng.normal(0, 3, count).round()
    beats: dict[str, CodeArray] = {}
    for port in input_ports(op, formats):
        spec = next(p for p in op.inputs if p.name == port.name)
        shape = (count, port.lanes)
        if spec.kind == "flag":
            codes = random_flags(rng, shape)
            if port.is_array:  # masks: most lanes stay
                codes = np.where(rng.random((count, 1)) < 0.5, 1, 1 - codes)
        else:
            fmt = formats[spec.fmt]
            kind = np.where(alike, shared, rng.integers(0, len(_MAKERS), count))
            codes = np.zeros(shape, dtype=np.uint64)
            for index, maker in enumerate(_MAKERS):
                rows = np.flatnonzero(kind == index)
                codes[rows] = maker(rng, fmt, centre[rows, None], (rows.size, port.lanes))
        beats[port.name] = codes.reshape(port.shape(count)).astype(port.dtype)
    return beats


Shape = tuple[int, int]


def _raw(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    return rng.integers(0, 1 << fmt.width_bits, shape, dtype=np.uint64)


def _gaussian(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    return encoded(rng.standard_normal(shape) * 2.0**centre, fmt)


def _around_one(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    return encoded(rng.standard_normal(shape) * rng.choice([0.5, 2.0, 8.0], (shape[0], 1)), fmt)


def _cancelling(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    """Every other lane is the negative of the one before, but for an ulp now and then."""
    codes = _gaussian(rng, fmt, centre, shape)
    odd = codes[:, 1::2]
    step = rng.choice([0, 0, 0, 1], odd.shape).astype(np.uint64)
    codes[:, 1::2] = (codes[:, : 2 * odd.shape[1] : 2] ^ step) ^ np.uint64(
        1 << (fmt.width_bits - 1)
    )
    return codes


def _one_dominates(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    values = rng.standard_normal(shape) * 2.0**centre
    lane = rng.integers(0, shape[1], shape[0])
    values[np.arange(shape[0]), lane] *= 2.0 ** rng.integers(4, 12, shape[0])
    return encoded(values, fmt)


def _largest(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    """Values of the top binades, where sums and products overflow."""
    exps = fmt.emax - rng.integers(0, 3, (shape[0], 1))
    return encoded(np.ldexp(rng.uniform(-1.9, 1.9, shape), exps), fmt)


def _smallest(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    """Values around the subnormals."""
    return encoded(rng.integers(-40, 41, shape) * 2.0**fmt.lsb_exp, fmt)


def _corners(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    return rng.choice(corner_codes(fmt), shape)


def _zeros(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    """Zeros of one sign, but for one of the other now and then: only the sign can be wrong."""
    minus = np.uint64(1 << (fmt.width_bits - 1))
    odd = rng.random(shape) < rng.choice([0.0, 0.1], (shape[0], 1))
    return np.where(odd, np.uint64(0), minus)


def _few_specials(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    """Ordinary rows with a zero, an Inf or a NaN here and there."""
    codes = _gaussian(rng, fmt, centre, shape)
    every = corner_codes(fmt)
    odd = every[~(np.abs(decode(every, fmt)) > 0) | ~np.isfinite(decode(every, fmt))]
    return np.where(rng.random(shape) < 0.15, rng.choice(odd, shape), codes)


def _logarithms(rng: Rng, fmt: Scalar, centre: CodeArray, shape: Shape) -> CodeArray:
    """Zero, logarithms of fractions and of values around the subnormals: what exp makes of them."""
    smallest = fmt.lsb_exp + rng.uniform(-1, 10, shape)
    binades = np.where(rng.random(shape) < 0.5, smallest, rng.uniform(-2, 0, shape))
    binades[np.arange(shape[0]), rng.integers(0, shape[1], shape[0])] = 0
    # Some rows lie so far below that their maximum almost vanishes beside that of the next.
    binades += np.where(rng.random((shape[0], 1)) < 0.3, smallest[:, :1], 0)
    return encoded(binades * np.log(2.0), fmt)


_MAKERS: tuple[Callable[[Rng, Scalar, CodeArray, Shape], CodeArray], ...] = (
    _raw,
    _gaussian,
    _gaussian,
    _around_one,
    _cancelling,
    _one_dominates,
    _largest,
    _smallest,
    _corners,
    _zeros,
    _few_specials,
    _logarithms,
)
