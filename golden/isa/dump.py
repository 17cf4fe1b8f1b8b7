"""Parts of a state as text: registers, rows and words as values, bytes as hexadecimal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..codec import Values, decode
from ..formats import FormatError, Mx
from ..mx import MxArray
from .machine import Machine
from .state import State

SPACES = ("gp", "f", "a", "vector", "tile", "fp", "int", "hbm")
_RANGE = re.compile(r"(\w+)(?::(\w+)(?:-(\w+))?)?")
_BYTES = 16
"""Of a line."""


def dumped(what: str, state: State, machine: Machine) -> Iterator[str]:
    """Yield lines of a part of a state.

    Args:
        what: gp, f, a, vector, tile, fp, int or hbm, then `:first-last` or `:one`; registers may
            do without.
        state: of the machine.
        machine: whose formats values have.

    Raises:
        FormatError: there is no such part.
    """
    space, first, last = _part(what, state)
    hw = machine.hardware
    if space == "gp":
        yield from (f"gp{i}  {state.gp[i]}" for i in range(first, last + 1))
    elif space == "a":
        yield from (f"a{i}  {state.a[i]}" for i in range(first, last + 1))
    elif space == "f":
        for i in range(first, last + 1):
            value = decode(state.f[i], hw.reduction_format).item()
            yield f"f{i}  {value:.9g}  ({state.f[i]:#x})"
    elif space == "fp":
        for i in range(first, last + 1):
            yield f"fp {i}  {decode(state.fps[i], hw.reduction_format).item():.9g}"
    elif space == "int":
        yield from (f"int {i}  {state.ints[i]}" for i in range(first, last + 1))
    elif space == "vector":
        for i in range(first, last + 1):
            yield f"row {i}  {_numbers(decode(state.vector[i], hw.vector_format))}"
    elif space == "tile":
        for number in range(first, last + 1):
            yield from _tile(number, state, machine)
    else:
        for start in range(first, last + 1, _BYTES):
            stop = min(start + _BYTES, last + 1)
            yield f"{start:#010x}  {state.hbm[start:stop].tobytes().hex(' ')}"


def _part(what: str, state: State) -> tuple[str, int, int]:
    """Return the space and the first and last place of a part."""
    sizes = {
        "gp": len(state.gp),
        "f": len(state.f),
        "a": len(state.a),
        "vector": len(state.vector),
        "tile": None,
        "fp": len(state.fps),
        "int": len(state.ints),
        "hbm": len(state.hbm),
    }
    found = _RANGE.fullmatch(what)
    if found is None or found[1] not in sizes:
        raise FormatError(
            f"cannot show {what!r}; need one of {', '.join(SPACES)}, then :first-last, such as "
            "vector:0-3"
        )
    space, size = found[1], sizes[found[1]]
    if found[2] is None:
        if space not in ("gp", "f", "a"):
            raise FormatError(f"cannot show all of {space}; say which, such as {space}:0-3")
        return space, 0, len(getattr(state, space)) - 1
    try:
        first = int(found[2], 0)
        last = first if found[3] is None else int(found[3], 0)
    except ValueError:
        raise FormatError(f"cannot show {what!r}: {found[2]!r} is no range of numbers") from None
    if first > last or (size is not None and last >= size):
        there = "" if size is None else f"; there are 0 to {size - 1}"
        raise FormatError(f"cannot show {what!r}{there}")
    return space, first, last


def _numbers(values: Values) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _tile(number: int, state: State, machine: Machine) -> Iterator[str]:
    tile = state.tiles.get(number)
    if tile is None:
        yield f"tile {number}  was not written"
        return
    type_ = machine.types(weights=True)[tile.type]
    assert isinstance(type_, Mx)
    way = "down columns" if tile.down else "along rows"
    yield f"tile {number}  {type_.name}, blocks {way}"
    held = MxArray(codes=tile.codes, scales=tile.scales, mx=type_, axis=0 if tile.down else 1)
    for i, row in enumerate(held.dequantize()):
        yield f"  {i}  {_numbers(row)}"
