"""online_softmax: one pass over a row in blocks, with a running maximum and a running sum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..codec import Codes, check_codes
from ..float_environment import in_default_environment
from ..formats import FormatError, Minifloat, as_minifloat
from .add import add, sub
from .cast import cast
from .exp import exp
from .max import max
from .mul import mul
from .reciprocal import reciprocal
from .reduce import reduce_max, reduce_sum
from .softmax import lowest_code


@in_default_environment
def online_softmax(
    x: npt.ArrayLike,
    mask: npt.ArrayLike,
    first: npt.ArrayLike,
    fmt: Minifloat | str,
    red: Minifloat | str,
) -> tuple[Codes, Codes, Codes, Codes]:
    """Return what one block after another adds to a softmax, as the unit shows it.

    The state is m, the largest element so far, and l, the sum of exponentials so far, both codes
    of V = `fmt`. It starts at m = lowest finite value, l = +0. One block:

    1. m' = max(m, cast_V(max of the block in R = `red`, from the lowest value of R))
    2. c = exp(sub(m, m')), by which everything summed so far shrinks
    3. p = exp(sub(x, m')), +0 where masked
    4. l' = add(mul(l, c), cast_V(sum of p in R, from +0))

    Args:
        x: codes of `fmt`, shape (n, lanes): one block a step.
        mask: nonzero where a lane takes part; broadcastable to the shape of `x`.
        first: (n,), nonzero where the state restarts before that step.
        fmt, red: formats V and R.

    Returns:
        Codes of `fmt`: p (n, lanes), and c, l', m' (n,). c is 1 where a block holds no larger
        element. -Inf gives p = +0, and since m starts at the lowest finite value, not at -Inf, a
        block of nothing but -Inf (or masked throughout) leaves m and l as they were where from
        -Inf it would make them NaN. +Inf or NaN makes its p NaN, and l from there to the next
        `first`.

    Raises:
        FormatError: shapes that do not fit, or a code too wide.

    Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3;
    Dao et al., "FlashAttention", 2022, algorithm 1.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> blocks = [[0x0000, 0x3F80], [0x4000, 0x0000]]                   # 0, 1 and 2, 0
    >>> p, c, l, m = golden.ops.online_softmax(blocks, 1, [1, 0], bf16, fp32)
    >>> [[hex(code) for code in codes] for codes in (p[1], c, l, m)]
    [['0x3f80', '0x3e0b'], ['0x0', '0x3ebc'], ['0x3faf', '0x3fd2'], ['0x3f80', '0x4000']]
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    restart = np.asarray(first) != 0
    if codes.ndim != 2 or restart.shape != codes.shape[:1]:
        raise FormatError(
            f"online_softmax: need x of shape (n, lanes) and first of shape (n,), "
            f"got {codes.shape} and {restart.shape}"
        )
    selected = np.broadcast_to(np.asarray(mask) != 0, codes.shape)
    block_max = cast(reduce_max(codes, selected, lowest_code(red), fmt, red), red, fmt)
    start = codes.dtype.type(lowest_code(fmt))
    m = scan(lambda m, block: max(m, block, fmt), start, restart, block_max)
    before = np.where(restart | (np.arange(m.size) == 0), start, np.roll(m, 1))
    c = exp(sub(before, m, fmt), fmt)
    p = np.where(selected, exp(sub(codes, m[:, None], fmt), fmt), codes.dtype.type(0))
    block_sum = cast(reduce_sum(p, selected, 0, fmt, red), red, fmt)
    zero = codes.dtype.type(0)
    total = scan(lambda total, c, s: add(mul(total, c, fmt), s, fmt), zero, restart, c, block_sum)
    return p, c, total, m


@in_default_environment
def online_softmax_rows(
    x: npt.ArrayLike,
    mask: npt.ArrayLike,
    fmt: Minifloat | str,
    red: Minifloat | str,
    *,
    lanes: int,
) -> Codes:
    """Return the softmax of each row by the online sequence, normalised at the end.

    The row is cut into blocks of `lanes` (a short last one is masked where it is empty), which go
    through `online_softmax`. With m_b the maximum after block b, and m and l the last ones:
    y = mul(mul(p, exp(sub(m_b, m))), reciprocal(l)).

    Args:
        x, mask, fmt, red, lanes: as in `softmax`.

    Returns:
        Codes of `fmt`, shape (…, n): not always the codes of `softmax`, since p rounds against the
        maximum of its time. Specials are those of `softmax`.

    Raises:
        FormatError: shapes that do not fit, or a code too wide.

    >>> from plena_cosim import golden
    >>> bf16, fp32 = golden.get_format("bf16"), golden.get_format("fp32")
    >>> x = [0x3F80, 0x4000, 0x4040]                                            # 1, 2, 3
    >>> [hex(c) for c in golden.ops.online_softmax_rows(x, 1, bf16, fp32, lanes=2)]
    ['0x3db8', '0x3e7b', '0x3f2b']
    """
    fmt, red = as_minifloat(fmt), as_minifloat(red)
    codes = check_codes(x, fmt.width_bits, fmt.name)
    blocks, selected = blocks_of(codes, mask, lanes=lanes)
    first = np.zeros(blocks.shape[:-1], dtype=bool)
    first[..., 0] = True
    steps = online_softmax(
        blocks.reshape(-1, lanes), selected.reshape(-1, lanes), first.ravel(), fmt, red
    )
    p = steps[0].reshape(blocks.shape)
    total, m = (step.reshape(first.shape) for step in steps[2:])
    shrunk = mul(p, exp(sub(m, m[..., -1:], fmt), fmt)[..., None], fmt)
    results = mul(shrunk, reciprocal(total[..., -1], fmt)[..., None, None], fmt)
    results = np.where(selected, results, results.dtype.type(0))
    return results.reshape(*codes.shape[:-1], -1)[..., : codes.shape[-1]]


def blocks_of(
    codes: Codes, mask: npt.ArrayLike, *, lanes: int
) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Return rows as blocks (…, ceil(n / lanes), lanes), and which lanes take part, bool.

    Args:
        codes: (…, n), n >= 1; zeros fill up the last block, and take no part.
        mask: nonzero where an element takes part; broadcastable to the shape of `codes`.
        lanes: elements of a block, >= 1.

    Raises:
        FormatError: rows without an element, or lanes < 1.
    """
    if codes.ndim == 0 or codes.shape[-1] == 0 or lanes < 1:
        raise FormatError(
            f"need rows of at least one element and lanes >= 1, "
            f"got shape {codes.shape} and lanes {lanes}"
        )
    empty = [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % lanes)]
    selected = np.pad(np.broadcast_to(np.asarray(mask) != 0, codes.shape), empty)
    padded = np.pad(codes, empty)
    shape = (*codes.shape[:-1], padded.shape[-1] // lanes, lanes)
    return padded.reshape(shape), selected.reshape(shape)


def scan(
    combine: Callable[..., Codes],
    start: np.unsignedinteger,
    restart: npt.NDArray[np.bool_],
    *items: Codes,
) -> Codes:
    """Return state = combine(state, *item) after every step, codes (n,).

    Args:
        combine: elementwise: the state and one array for each of `items`, to the next state.
        start: the state before the first step and before each restart; one code.
        restart: (n,), true where the state restarts before that step.
        *items: codes (n,), what each step takes in; the first has the dtype of the state.
    """
    states = np.empty_like(items[0])
    # Sequences are independent of each other: walk all of them side by side.
    starts = np.flatnonzero(np.diff(np.cumsum(restart), prepend=-1))
    lengths = np.diff(np.append(starts, restart.size))
    state = np.full(starts.size, start)
    for step in range(int(lengths.max(initial=0))):
        live = lengths > step
        here = starts[live] + step
        state[live] = combine(state[live], *(item[here] for item in items))
        states[here] = state[live]
    return states
