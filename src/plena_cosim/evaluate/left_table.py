"""What a recipe left in floating point, as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.passes import LeftAlone


def print_left(left: LeftAlone, console: Console, *, every: bool = False) -> None:
    """Print which weights, or what they multiply, stayed in float, and why; nothing where none did.

    Args:
        left: from `left_alone`.
        console: where the table goes.
        every: a line for each matrix; else those that differ in numbers of their names share one.
    """
    if not (left.matrices or left.inputs):
        return
    table = Table(title=f"left in float: {left.words()}")
    table.add_column("matrix", overflow="fold", ratio=3)
    table.add_column("class, shape", overflow="fold", ratio=2)
    table.add_column("why", ratio=3)
    single = [(matrix, 1) for matrix in (*left.matrices, *left.inputs)]
    groups = single if every else left.groups()
    for matrix, count in groups:
        name = matrix.name if count == 1 else f"{matrix.name} ({count})"
        shape = " × ".join(map(str, matrix.shape))
        table.add_row(*map(Text, (name, f"{matrix.module}\n{shape}", matrix.reason)))
    console.print(table)
