"""Beats for ops that multiply two MX operands: sums of blocks that round, cancel and overflow.

Whatever a beat carries (an element, a block, a slice of a matrix), its operands are first made as
rows of blocks along the sum, (rows, blocks, block_size) with scales (rows, blocks), and then laid
out on the ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from plena_cosim.golden import FixedPoint, Minifloat, Mx, Scalar
from plena_cosim.golden.ops.registry import Op
from plena_cosim.golden.ops.sign import neg

from ..player.harness import CodeArray, input_ports
from .blocks import Rng, element_blocks

CHUNK_BEATS = 1 << 13


def is_product(op: Op) -> bool:
    """Whether the op multiplies two MX operands with scales."""
    kinds = {port.name: port.kind for port in op.inputs}
    return {"a_codes", "b_codes"} <= {name for name, kind in kinds.items() if kind == "element"}


def product_beats(
    op: Op, formats: Mapping[str, Any], *, seed: int, budget: int
) -> Iterator[dict[str, CodeArray]]:
    """Yield what makes corners in the accumulator, then `budget` random beats.

    Args:
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        seed: of the random beats.
        budget: beats besides the corners.
    """
    corners = accumulator_corners(op, formats)
    yield corners
    for lanes in (0, 1):  # operands of zeros, and with one element
        yield {
            name: codes * (np.arange(codes.shape[1]) < lanes).astype(codes.dtype)
            if name.endswith("_codes") and codes.ndim > 1
            else codes
            for name, codes in corners.items()
        }
    for start in range(0, budget, CHUNK_BEATS):
        rng = np.random.default_rng([seed, start])
        yield random_products(rng, op, formats, min(CHUNK_BEATS, budget - start))


def accumulator_corners(op: Op, formats: Mapping[str, Any]) -> dict[str, CodeArray]:
    """Return sums of one product: ±1, ±the smallest and largest powers of two of the accumulator.

    Each starts anew; then the smallest unit comes off, which makes the largest subnormal of the
    smallest normal. Only the first element along the sum is not zero in `a`, and none is in `b`,
    so that its layout does not matter.
    """
    ports = {port.name: port for port in input_ports(op, formats)}
    heads, rows = (formats.get(size, 1) for size in ("heads", "rows"))
    depth = ports["a_codes"].lanes // (heads * rows)
    beats_a_block = max(formats["a"].block_size // depth, 1)
    acc: Scalar = formats[op.outputs[0].fmt]
    lowest = acc.emin if isinstance(acc, Minifloat) else acc.lsb_exp
    steps = [
        step
        for target in (0, lowest, acc.lsb_exp, acc.emax, acc.emax + 1)
        for sign in (0, 1)
        for step in ((target, sign, 1), (acc.lsb_exp, 1 - sign, 0))
    ]
    exps, negative, first = (np.array(column) for column in zip(*steps, strict=True))
    units = {side: _unit(formats[side].element) for side in "ab"}
    total = exps - units["a"][2] - units["b"][2]
    left, right = formats["a"], formats["b"]
    half = np.clip(total // 2, left.min_scale_exp, left.max_scale_exp)
    other = np.clip(total - half, right.min_scale_exp, right.max_scale_exp)
    half = np.clip(total - other, left.min_scale_exp, left.max_scale_exp)

    starts = np.arange(len(steps) * beats_a_block) % beats_a_block == 0
    step = np.repeat(np.arange(len(steps)), beats_a_block)
    product = np.where(negative, units["a"][1], units["a"][0])[step]
    along = np.arange(ports["a_codes"].lanes) % depth == 0
    beats = {
        "a_codes": np.where(starts[:, None] & along, product[:, None], 0),
        "a_scale": (half + left.scale_bias)[step],
        "b_codes": np.full(step.size, units["b"][0]),
        "b_scale": (other + right.scale_bias)[step],
        "a_micro": np.zeros_like(step),
        "b_micro": np.zeros_like(step),
        "first": np.where(starts, first[step], 0),
        "write": np.ones_like(step),
        "transposed": np.zeros_like(step),
    }
    return {
        name: np.broadcast_to(beats[name].reshape(step.size, -1), (step.size, port.lanes))
        .reshape(port.shape(step.size))
        .astype(port.dtype)
        for name, port in ports.items()
    }


def _unit(element: Scalar) -> tuple[int, int, int]:
    """Return the codes of plus and minus a power of two that every format has, and its exponent."""
    if isinstance(element, FixedPoint):
        return 1, (1 << element.width_bits) - 1, element.lsb_exp
    return 1 << element.man_bits, 1 << element.man_bits | element.sign_mask, element.emin


def random_products(
    rng: Rng, op: Op, formats: Mapping[str, Any], count: int
) -> dict[str, CodeArray]:
    """Return `count` random beats for every input of the op.

    Args:
        rng: numpy's generator, already seeded.
        op: of the registry.
        formats: its arguments by name: formats and sizes.
        count: beats.
    """
    ports = {port.name: port for port in input_ports(op, formats)}
    heads, rows, columns = (formats.get(size, 1) for size in ("heads", "rows", "cols"))
    depth = ports["a_codes"].lanes // (heads * rows)
    size = formats["a"].block_size
    beats_a_block, blocks_a_beat = max(size // depth, 1), max(depth // size, 1)

    first = _restarts(rng, count, beats_a_block)
    begins, place = _blocks(first, beats_a_block)
    block = (np.cumsum(begins) - 1)[:, None] * blocks_a_beat + np.arange(blocks_a_beat)
    continues = np.ones(int(block[-1, -1]) + 1, dtype=bool)
    continues[block[first != 0, 0]] = False
    operands = _operands(rng, formats, (heads * rows, heads * columns), continues)

    beats = {"first": first}
    for side, (codes, scales), lines in zip(
        "ab", operands, (heads * rows, heads * columns), strict=True
    ):
        if beats_a_block > 1:
            lanes = codes[:, block[:, 0], place][:, :, None]
        else:
            lanes = codes[:, block].reshape(lines, count, depth)
        beats[f"{side}_codes"] = lanes.transpose(1, 0, 2)
        scale = scales[:, block].transpose(1, 0, 2)
        # Only a block's last beat has the scales that count; some others have any.
        odd = (place != beats_a_block - 1) & (rng.random(count) < 0.1)
        scale[odd] = rng.integers(0, 1 << formats[side].scale_bits, scale[odd].shape)
        beats[f"{side}_scale"] = scale
    for name in ("a_micro", "b_micro"):
        if name in ports:
            beats[name] = _micro_exponents(rng, ports[name].shape(count))
    if "transposed" in ports:
        _transpose(rng, beats, heads)
    if "write" in ports:
        beats["write"] = _writes(rng, place == beats_a_block - 1)
    return {
        name: beats[name].reshape(port.shape(count)).astype(port.dtype)
        for name, port in ports.items()
    }


def _restarts(rng: Rng, count: int, beats_a_block: int) -> CodeArray:
    """Return `first`: sums of one to many blocks, a few of them cut off inside a block."""
    blocks = rng.geometric(rng.choice([0.05, 0.2, 0.5, 1.0], count))
    lengths = blocks * beats_a_block
    if beats_a_block > 1:
        cut = rng.random(count) < 0.1
        lengths += np.where(cut, rng.integers(1, beats_a_block, count), 0)
    starts = np.cumsum(lengths)
    first = np.zeros(count, dtype=np.uint64)
    first[0] = rng.integers(0, 2)
    first[starts[starts < count]] = 1
    return first


def _blocks(first: CodeArray, beats_a_block: int) -> tuple[CodeArray, CodeArray]:
    """Return which beats begin a block, and each beat's place in its block."""
    beats = np.arange(first.size)
    starts = np.maximum.accumulate(np.where(first != 0, beats, 0))
    place = (beats - starts) % beats_a_block
    return place == 0, place


def _writes(rng: Rng, complete: CodeArray) -> CodeArray:
    """Return `write`: usual where a block is complete, rare elsewhere."""
    usual = np.repeat(rng.choice([0.1, 0.5, 1.0], -(-complete.size // 64)), 64)[: complete.size]
    return (rng.random(complete.size) < np.where(complete, usual, 0.03)).astype(np.uint64)


def _micro_exponents(rng: Rng, shape: tuple[int, ...]) -> CodeArray:
    """Return micro-exponents: the same in stretches of 64 blocks, which may cancel, or any."""
    stretches = -(-shape[0] // 64)
    often = rng.choice([0.0, 0.2, 0.8, 1.0], (stretches, 1))
    shared = np.repeat(rng.random((stretches, shape[1])) < often, 64, axis=0)[: shape[0]]
    anyhow = np.repeat(rng.random((stretches, 1)) < 0.5, 64, axis=0)[: shape[0]]
    return np.where(anyhow, rng.random(shape) < 0.5, shared).astype(np.uint64)


def _transpose(rng: Rng, beats: dict[str, CodeArray], heads: int) -> None:
    """Choose the order of b: columns stay rows of the port where `transposed`, else not."""
    count = len(beats["first"])
    transposed = rng.integers(0, 2, count).astype(np.uint64)
    for name in ("b_codes", "b_scale"):
        split = beats[name].reshape(count, heads, -1, beats[name].shape[-1])
        flipped = split.swapaxes(-1, -2).reshape(count, -1)
        kept = transposed[:, None] != 0
        beats[name] = np.where(kept, split.reshape(count, -1), flipped)
    beats["transposed"] = transposed


Operand = tuple[CodeArray, CodeArray]


def _operands(
    rng: Rng, formats: Mapping[str, Any], lines: tuple[int, int], continues: CodeArray
) -> tuple[Operand, Operand]:
    """Return codes (lines, blocks, block_size) and scales (lines, blocks) of both operands.

    `continues` says which blocks (blocks,) go on with the sum of the block before.
    """
    count, specs = continues.size, (formats["a"], formats["b"])
    codes, scales = [], []
    for mx, number in zip(specs, lines, strict=True):
        made = element_blocks(rng, mx, (number * count, mx.block_size))
        codes.append(made.reshape(number, count, mx.block_size))
        scales.append(rng.integers(0, 1 << mx.scale_bits, (number, count), dtype=np.uint64))
    used, exps = _meeting_exponents(rng, formats["acc"], specs, count)
    for mx, line_scales, line_exps in zip(specs, scales, exps, strict=True):
        apart = rng.choice([-2, -1, 0, 0, 0, 1, 2], line_scales.shape)
        apart[0] = 0
        near = np.clip(line_exps + apart, mx.min_scale_exp, mx.max_scale_exp) + mx.scale_bias
        line_scales[:, used] = near[:, used].astype(np.uint64)
    _cancel(rng, specs[0], codes, scales, continues)
    return (codes[0], scales[0]), (codes[1], scales[1])


def _meeting_exponents(
    rng: Rng, acc: Scalar, specs: tuple[Mx, Mx], count: int
) -> tuple[CodeArray, tuple[CodeArray, CodeArray]]:
    """Return scale exponents for partials where the accumulator rounds, fills or overflows.

    Stretches of 64 blocks share a magnitude between the accumulator's smallest and largest; inside,
    partials vary by a little more than its precision. Other stretches are to keep random scales.
    """
    left, right = specs
    stretches = -(-count // 64)
    centre = rng.integers(acc.lsb_exp - 3, acc.emax + 3, stretches)
    reach = rng.choice([1, 4, acc.man_bits + 4], stretches)
    used = rng.random(stretches) < 0.85
    centre, reach, used = (np.repeat(array, 64)[:count] for array in (centre, reach, used))
    total = centre - left.element.emax - right.element.emax + rng.integers(-reach, reach + 1)
    low, high = left.min_scale_exp, left.max_scale_exp
    first = np.clip(total // 2 + rng.integers(-3, 4, count), low, high)
    second = np.clip(total - first, right.min_scale_exp, right.max_scale_exp)
    # What the second scale could not take (a narrow one), the first takes as far as it can.
    first = np.clip(total - second, low, high)
    return used, (first, second)


def _cancel(
    rng: Rng, mx: Mx, codes: list[CodeArray], scales: list[CodeArray], continues: CodeArray
) -> None:
    """Make some blocks the negative of the one before, but for an element now and then."""
    again = np.flatnonzero((rng.random(continues.size) < 0.15) & continues)
    again = again[again > 0]
    for array in (*codes, *scales):
        array[:, again] = array[:, again - 1]
    chosen = codes[0][:, again].astype(np.int64)
    if isinstance(mx.element, FixedPoint):
        negated = -chosen & ((1 << mx.element.width_bits) - 1)
    else:
        negated = neg(chosen, mx.element).astype(np.int64)
    kept = rng.random(negated.shape) < rng.choice([0.0, 0.03], (1, again.size, 1))
    codes[0][:, again] = np.where(kept, chosen, negated).astype(np.uint64)
