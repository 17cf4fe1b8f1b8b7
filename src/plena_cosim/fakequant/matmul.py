"""matmul: the matrix unit's GEMM, equal to golden bit for bit, as a loop of ordinary GEMMs.

Scales are powers of two, so a block's dot of *values* is the integer dot times 2^(ea + eb): where
the integers stay below 2^24 (2^53 in float64) and no exponent leaves the carrier's normal range,
every partial sum is exact, whatever the order in which the library adds. What remains is one
rounding of each partial and one of each sum, in ascending K.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from plena_cosim.golden import (
    ExactnessError,
    FixedPoint,
    FormatError,
    HardwareConfig,
    Minifloat,
    Mx,
    Scalar,
)

from .backend import operation
from .carrier import DOUBLE, SINGLE, Carrier
from .cast import cast_finite, round_values, value_dtype
from .kernels import compiled
from .mx_tensor import MxTensor
from .odd_product import product_to_odd
from .platform_check import require_exact_matmul, require_exact_settings

_TILE_ROWS, _TILE_COLUMNS = 512, 1536  # one float32 accumulator tile and its partial: 6 MiB


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How one product runs.

    Attributes:
        dot: carrier of the block dots; None where they need more than float64.
        total: carrier of partials and sums.
        rounds: whether they are rounded explicitly (else the carrier is the accumulator format).
        in_single: whether dots that are not zero lie within float32's normal range.
    """

    dot: Carrier | None
    total: Carrier
    rounds: bool
    in_single: bool


@operation
def matmul(x: MxTensor, w: MxTensor, hw: HardwareConfig) -> Tensor:
    """Return x @ w as the matrix unit computes it: golden.ops.matmul, as values.

    For each output: every block of K gives one exact dot, rounded once to the accumulator format
    and added to the accumulator with one rounding, blocks in ascending K from +0; the last
    accumulator is cast once to the vector format. Thread count, batch and tiling change nothing.

    Args:
        x: (…, m, k), blocks along the last axis.
        w: (…, k, n), blocks along the axis before the last, same block size; leading axes
            broadcast.
        hw: accumulator and vector formats.

    Returns:
        (…, m, n) values of hw.vector_format, in float32 where that holds them all, else float64;
        none where m or n is 0, zeros where k is.
        Overflow saturates. A block with a NaN scale makes its outputs NaN (the largest value where
        the format has no NaN).

    Raises:
        FormatError: shapes, block axes or block sizes do not fit.
        ExactnessError: TF32, reduced-precision products or flush-to-zero are on.

    >>> from plena_cosim import golden
    >>> from plena_cosim.fakequant import quantize_mx
    >>> mx = golden.get_format("mxint8")
    >>> x, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [0.5]])
    >>> matmul(quantize_mx(x, mx), quantize_mx(w, mx, axis=0), golden.HardwareConfig())
    tensor([[4.]])
    """
    _check(x, w)
    with torch.no_grad(), torch.autocast(x.values.device.type, enabled=False):
        require_exact_settings(x.values.device)
        batch = _batch(x, w)
        shape = (*batch, x.shape[-2], w.shape[-1])
        if 0 in (*shape, x.shape[-1]):  # no output, or no block: golden's sums start at +0
            dtype = value_dtype(hw.vector_format)
            return torch.zeros(shape, dtype=dtype, device=x.values.device)
        plan = _plan(x, w, hw.accumulator_format)
        total = _product(x, w, plan, hw.accumulator_format)
        return _to_vector(total, hw.vector_format)


def _to_vector(total: Tensor, fmt: Minifloat) -> Tensor:
    """Return the last accumulators, without Inf, as values of the vector format."""
    if compiled(total):
        from .kernels import calls

        done = calls.cast(total, fmt)
        if done is not None:
            return done
    return cast_finite(total, fmt)


def _product(x: MxTensor, w: MxTensor, plan: _Plan, acc: Scalar) -> Tensor:
    """Return the accumulators (…, m, n) in the carrier of sums."""
    if plan.dot is not None:
        x, w = _as_carrier(x, plan.dot), _as_carrier(w, plan.dot)
    if w.values.ndim == 2:
        flat = MxTensor(
            values=x.values.flatten(0, -2), scales=x.scales.flatten(0, -2), mx=x.mx, axis=1
        )
        return _matrix(flat, w, plan, acc).view(*x.shape[:-1], w.shape[-1])
    batch = _batch(x, w)
    left = [t.expand(*batch, *t.shape[-2:]).flatten(0, -3) for t in (x.values, x.scales)]
    right = [t.expand(*batch, *t.shape[-2:]).flatten(0, -3) for t in (w.values, w.scales)]
    products = [
        _matrix(
            MxTensor(values=left[0][i], scales=left[1][i], mx=x.mx, axis=1),
            MxTensor(values=right[0][i], scales=right[1][i], mx=w.mx, axis=0),
            plan,
            acc,
        )
        for i in range(left[0].shape[0])
    ]
    return torch.stack(products).view(*batch, x.shape[-2], w.shape[-1])


def _batch(x: MxTensor, w: MxTensor) -> torch.Size:
    if w.values.ndim == 2 or x.shape[:-2] == w.shape[:-2]:  # broadcast_shapes takes 30 us
        return x.shape[:-2]
    return torch.broadcast_shapes(x.shape[:-2], w.shape[:-2])  # type: ignore[no-untyped-call,no-any-return]


def _matrix(x: MxTensor, w: MxTensor, plan: _Plan, acc: Scalar) -> Tensor:
    if plan.dot is not None and compiled(x.values, w.values):
        from .kernels import multiply

        done = multiply.sums(
            x.values,
            w.values,
            x.mx.block_size,
            acc,
            rounds=plan.rounds,
            in_single=plan.in_single,
        )
        if done is not None:
            return done
    require_exact_matmul(x.values.device)
    rows, columns = x.shape[0], w.shape[1]
    total = torch.zeros(rows, columns, dtype=plan.total.dtype, device=x.values.device)
    for tile_rows, tile_columns in _tiles(rows, columns, x.values.device):
        tile = total[tile_rows, tile_columns]
        for partial in _partials(x, w, tile_rows, tile_columns, plan, acc):
            if plan.rounds:
                tile += round_values(partial, acc, plan.total)
                round_values(tile, acc, plan.total)
            else:
                tile += partial
    return total


def _tiles(rows: int, columns: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    high, wide = (_TILE_ROWS, _TILE_COLUMNS) if device.type == "cpu" else (rows, columns)
    for row in range(0, rows, high):
        for column in range(0, columns, wide):
            yield slice(row, row + high), slice(column, column + wide)


def _partials(
    x: MxTensor, w: MxTensor, rows: slice, columns: slice, plan: _Plan, acc: Scalar
) -> Iterator[Tensor]:
    """Yield the exact dots of each block of K (or odd-rounded ones) in the carrier of sums.

    The tensor may be changed in place; the next step writes over it.
    """
    block, length = x.mx.block_size, x.shape[1]
    left, right = x.values[rows], w.values[:, columns]
    shape = (left.shape[0], right.shape[1])
    if plan.dot is not None:
        dots = torch.empty(shape, dtype=plan.dot.dtype, device=left.device)
    for index, first in enumerate(range(0, length, block)):
        a, b = left[:, first : first + block], right[first : first + block]
        if plan.dot is None:
            yield _long_dots(a, x.scales[rows, index], x.mx, b, w.scales[index, columns], w.mx, acc)
        else:
            torch.mm(a, b, out=dots)
            yield dots.to(plan.total.dtype)


def _long_dots(
    a: Tensor, a_scales: Tensor, a_mx: Mx, b: Tensor, b_scales: Tensor, b_mx: Mx, acc: Scalar
) -> Tensor:
    """Return a @ b of one block, rounded to odd, for elements that float64 cannot multiply."""
    a_exp = a_scales.long()[:, None] + (a_mx.element.lsb_exp - a_mx.scale_bias)
    b_exp = b_scales.long() + (b_mx.element.lsb_exp - b_mx.scale_bias)
    a_units = a.double() / DOUBLE.power_of_two(a_exp)
    b_units = b.double() / DOUBLE.power_of_two(b_exp)
    special = a_units.isnan().any(1)[:, None] | b_units.isnan().any(0)
    bits = max(_largest_integer(a_mx).bit_length(), _largest_integer(b_mx).bit_length())
    exp = a_exp + b_exp
    # A wrapping accumulator keeps the low bits of the exact dot, not of one rounded to odd.
    modulus_exp = acc.int_bits - exp if isinstance(acc, FixedPoint) and acc.wrap else None
    dots = product_to_odd(
        a_units.nan_to_num(nan=0.0),
        b_units.nan_to_num(nan=0.0),
        bits=bits,
        modulus_exp=modulus_exp,
    )
    return (dots * DOUBLE.power_of_two(exp)).masked_fill_(special, math.nan)


def _as_carrier(q: MxTensor, carrier: Carrier) -> MxTensor:
    return MxTensor(values=q.values.to(carrier.dtype), scales=q.scales, mx=q.mx, axis=q.axis)


def _largest_integer(mx: Mx) -> int:
    """Return the largest magnitude of an element in units of its last place."""
    element = mx.element
    if isinstance(element, FixedPoint):
        return element.max_code + (0 if mx.symmetric else 1)
    return int(math.ldexp(element.max_value, -element.lsb_exp))


def _largest_integer_used(q: MxTensor) -> int:
    """Return the largest magnitude in units of the last place that elements of `q` really reach.

    A wide element format rarely spends its whole exponent range within one tensor.
    """
    axis, element = q.axis, q.mx.element
    scales = q.scale_values().repeat_interleave(q.mx.block_size, axis)
    elements = (q.values.double() / scales.narrow(axis, 0, q.shape[axis])).abs()
    used = elements[(elements > 0) & elements.isfinite()]
    if not used.numel():
        return 0
    last_place = math.frexp(float(used.min()))[1] - 1 - element.man_bits
    return int(math.ldexp(element.max_value, -max(last_place, element.lsb_exp)))


def _exponents(q: MxTensor) -> tuple[int, int]:
    """Return bounds of the scale exponents of the blocks that are not zero."""
    high = int(q.scales.max())
    if q.values.dtype == torch.float32 and q.mx.scale_nan_code is not None:
        # In float32 values, code 0 of an 8-bit scale is an all-zero block; uint8 wraps it away.
        low = min(int((q.scales - 1).min()) + 1, high)
    else:
        low = int(q.scales.min())
    return low - q.mx.scale_bias, high - q.mx.scale_bias


def _plan(x: MxTensor, w: MxTensor, acc: Scalar) -> _Plan:
    largest = _largest_integer(x.mx) * _largest_integer(w.mx) * x.mx.block_size
    (x_low, x_high), (w_low, w_high) = _exponents(x), _exponents(w)
    x_unit, w_unit = x_low + x.mx.element.lsb_exp, w_low + w.mx.element.lsb_exp
    lowest = min(x_unit, w_unit, x_unit + w_unit)
    products = x_high + w_high + x.mx.element.lsb_exp + w.mx.element.lsb_exp
    blocks = -(-x.shape[-1] // x.mx.block_size)
    highest = products + (largest * blocks).bit_length()
    highest = max(highest, x_high + x.mx.element.emax + 1, w_high + w.mx.element.emax + 1)
    if not DOUBLE.min_exp <= lowest <= highest < DOUBLE.bias - DOUBLE.man_bits:
        raise ExactnessError(
            f"matmul of {x.mx.name} and {w.mx.name}: exponents {lowest}..{highest} leave float64"
        )
    in_single = SINGLE.min_exp <= lowest and highest <= SINGLE.bias
    single = largest <= 1 << (SINGLE.man_bits + 1) and in_single
    longest = 1 << (DOUBLE.man_bits + 1)
    double = largest <= longest or (
        _largest_integer_used(x) * _largest_integer_used(w) * x.mx.block_size <= longest
    )
    dot = SINGLE if single else DOUBLE if double else None
    if _is_single(acc) and dot is not None and highest <= SINGLE.bias:
        return _Plan(dot=dot, total=SINGLE, rounds=False, in_single=in_single)
    if single and _rounds_in_single(acc, highest):
        return _Plan(dot=dot, total=SINGLE, rounds=True, in_single=in_single)
    return _Plan(dot=dot, total=DOUBLE, rounds=True, in_single=in_single)


def _is_single(acc: Scalar) -> bool:
    return (
        isinstance(acc, Minifloat)
        and acc.man_bits == SINGLE.man_bits
        and acc.bias_value == SINGLE.bias
        and acc.has_inf
    )


def _rounds_in_single(acc: Scalar, highest: int) -> bool:
    """Whether float32 sums rounded to `acc` are sums rounded once, and nothing leaves float32.

    A sum of p-bit numbers rounded to 2p + 2 bits or more rounds again as if once (Figueroa, "When
    is double rounding innocuous?", SIGNUM Newsletter 30(3), 1995); a sum below the smallest normal
    number of `acc` is a multiple of its unit and is not rounded at all.
    """
    if not isinstance(acc, Minifloat):
        return False
    up = SINGLE.man_bits - acc.man_bits
    return (
        2 * acc.precision + 2 <= SINGLE.man_bits + 1
        and acc.emin + up <= SINGLE.bias
        and acc.emax <= SINGLE.bias
        and min(highest, acc.emax) + up < SINGLE.bias
    )


def _check(x: MxTensor, w: MxTensor) -> None:
    if x.values.ndim < 2 or w.values.ndim < 2 or x.shape[-1] != w.shape[-2]:
        raise FormatError(
            f"matmul: cannot multiply {tuple(x.shape)} by {tuple(w.shape)}; "
            "need (…, m, k) and (…, k, n)"
        )
    if x.axis != x.values.ndim - 1 or w.axis != w.values.ndim - 2:
        raise FormatError(
            f"matmul: blocks must run along k: axis {x.values.ndim - 1} of x and "
            f"{w.values.ndim - 2} of w, got {x.axis} and {w.axis}"
        )
    if x.mx.block_size != w.mx.block_size:
        raise FormatError(
            f"matmul: both operands need one block size, got {x.mx.name} with {x.mx.block_size} "
            f"and {w.mx.name} with {w.mx.block_size}"
        )
    if x.values.device != w.values.device:
        raise FormatError(
            f"matmul: operands are on {x.values.device} and {w.values.device}; move one"
        )
