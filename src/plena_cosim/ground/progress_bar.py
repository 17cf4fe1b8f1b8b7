"""Progress on a terminal: bars that vanish when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich
from rich.console import Console
from rich.text import Text

from .progress import Progress


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Show a bar for each piece of work, with the time left, while the block runs.

    Bars vanish when their work is done, and all of them at the end. A line without anything to
    count is printed and stays.
    """
    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, rich.TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if not total:
                console.print(Text(what))
                return
            work = what.partition(": ")[0]
            if work not in tasks:
                tasks[work] = bars.add_task(what, total=total)
            bars.update(tasks[work], description=what, completed=done, total=total)
            if done == total:
                bars.remove_task(tasks.pop(work))

        yield show


def paced_bar(console: Console, label: str) -> rich.Progress:
    """Return a bar for uneven steps, whose time left the caller reckons; a task's field `left`."""
    return rich.Progress(
        rich.TextColumn(label),
        rich.BarColumn(bar_width=30),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TextColumn("{task.fields[left]}  {task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
