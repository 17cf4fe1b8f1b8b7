"""A progress bar with the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from plena_cosim import passes

from . import perplexity


@contextmanager
def bar(console: Console) -> Iterator[Progress]:
    """Show bars on `console` while the block runs; they vanish afterwards."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress


def windows(progress: Progress, label: str) -> perplexity.Progress:
    """Return a callback that shows windows done and time left under `label`."""
    task: TaskID = progress.add_task(label, total=None)

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)
        if done == total:
            progress.remove_task(task)

    return show


@contextmanager
def stages(console: Console) -> Iterator[passes.Progress]:
    """Show a bar for each stage of long work: scaling, rotation search, calibration."""
    with bar(console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)
            if done == total:
                progress.remove_task(tasks.pop(stage))

        yield show
