"""Progress: how long work tells how far it is, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is going on, steps done and steps in all.

What stands behind a colon may change from step to step ("round 1, all layers: q_proj"); the words
before it name the work that is counted. Work is over when all its steps are done. Where there is
nothing to count, steps in all are 0, and the text is a line to keep.
"""


def renamed(progress: Progress, what: str) -> Progress:
    """Return a callback for work that the caller has a name of its own for."""
    return lambda _, done, total: progress(what, done, total)


def time_left(elapsed: float, *, done: float, left: float) -> float:
    """Return the seconds that work will take: as fast as what is done.

    Args:
        elapsed: seconds that the work which is done took.
        done: how much work that was, in any unit.
        left: the work that waits, in the same.

    Returns:
        Seconds; 0 while nothing is done.

    >>> time_left(10.0, done=2, left=3)
    15.0
    """
    return elapsed * left / done if done else 0.0


def time_text(seconds: float) -> str:
    """Return m:ss.

    >>> time_text(75.2)
    '1:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
