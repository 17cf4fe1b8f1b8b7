"""A program's run as lines of JSON, and where two runs part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .interpreter import Interpreter, Step
from .reads import Read, reads
from .state import Tile, Write


class Trace:
    """Makes a line of each step; each line's hash stands for all writes up to there.

    Args:
        machine: that runs; `before` looks at it.
    """

    def __init__(self, machine: Interpreter) -> None:
        self._machine = machine
        self._hash = hashlib.sha256()

    def step(self) -> str:
        """Carry out the next instruction and return its line.

        Raises:
            TrapError: see `Interpreter.run`.
        """
        instruction = self._machine.following()
        read = [] if instruction is None else reads(self._machine, instruction)
        return self.line(self._machine.step(), read)

    def line(self, step: Step, read: Sequence[Read] = ()) -> str:
        """Return a step as one line of JSON: its word's number, text, reads, writes and the hash.

        Args:
            step: that was carried out.
            read: by it.
        """
        writes = [[write.space, write.address, _plain(write)] for write in step.writes]
        self._hash.update(json.dumps(writes).encode())
        record = {
            "pc": step.pc,
            "instruction": str(step.instruction),
            "reads": read,
            "writes": writes,
            "hash": self._hash.hexdigest()[:16],
        }
        return json.dumps(record)


def _plain(write: Write) -> Any:
    data = write.data
    if isinstance(data, Tile):
        return [data.codes.tolist(), data.scales.tolist(), data.type, data.down]
    if isinstance(data, np.ndarray):
        return data.tobytes().hex() if data.dtype == np.uint8 else data.tolist()
    if write.space == "loops":
        return [list(loop) for loop in data]
    return data


def first_difference(left: Iterable[str], right: Iterable[str]) -> str | None:
    """Return where two traces part, in words; None where they are equal.

    Args:
        left, right: lines of JSON, as `Trace.line` makes them.
    """
    ours, theirs = _records(left), _records(right)
    for number, one in enumerate(ours):
        other = next(theirs, None)
        if other is None:
            return f"step {number}: {one['instruction']} (word {one['pc']}): the second has ended"
        where = f"step {number}, word {one['pc']}, {one['instruction']}"
        if (one["pc"], one["instruction"]) != (other["pc"], other["instruction"]):
            return f"{where}: the second is at word {other['pc']}, {other['instruction']}"
        if one["writes"] != other["writes"]:
            return f"{where}: {_differing(one['writes'], other['writes'])}"
    extra = next(theirs, None)
    if extra is not None:
        return f"the first has ended; the second is at word {extra['pc']}, {extra['instruction']}"
    return None


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in lines if line.strip())


def _differing(ours: list[Any], theirs: list[Any]) -> str:
    for one, other in zip(ours, theirs, strict=False):
        if one[:2] != other[:2]:
            return f"writes {one[0]} {one[1]}, the second {other[0]} {other[1]}"
        if one[2] != other[2]:
            if isinstance(one[2], list) and isinstance(other[2], list):
                pairs = zip(one[2], other[2], strict=False)
                at = next((i for i, (a, b) in enumerate(pairs) if a != b), len(one[2]))
                return f"{one[0]} {one[1]}, element {at}: {one[2][at]} and {other[2][at]}"
            return f"{one[0]} {one[1]}: {one[2]} and {other[2]}"
    return f"{len(ours)} writes and {len(theirs)}"
