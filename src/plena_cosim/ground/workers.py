"""Work in several processes, which end in order when the one that started them is ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE_S = 3
_at_work = threading.Event()
_ending = threading.Event()


@contextmanager
def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int
) -> Iterator[Iterator[Result]]:
    """Give the results of `work` on each item as they come, from `jobs` processes.

    A pool by itself would finish all that waits before an interrupt comes through. When the block
    is left by an exception, what is at work is interrupted instead, so that it tidies up, and the
    rest is not begun; the same when this process is killed.

    Args:
        work: a function that can be pickled.
        items: what it is called with.
        jobs: processes.
    """
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    with (
        reader,
        writer,
        ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_heed, initargs=(reader,)
        ) as pool,
    ):
        try:
            yield _as_they_come(pool, work, items, jobs)
        except BaseException:
            writer.close()
            raise


def _as_they_come(
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """Keep as many items under way as there are processes, so that none waits in the pool."""
    waiting = list(items)
    running: set[Future[Result]] = set()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.add(pool.submit(_run, work, waiting.pop(0)))
        ready, running = wait(running, return_when=FIRST_COMPLETED)
        for future in ready:
            yield future.result()


def _run(work: Callable[[Item], Result], item: Item) -> Result:
    _at_work.set()
    try:
        return work(item)
    finally:
        _at_work.clear()


def _heed(lifeline: Connection) -> None:
    """Let this worker end when nobody holds the other end of the pipe any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's; its parent says when to end
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    lifeline.poll(None)  # nothing is ever sent
    # To the main thread: a signal to the process may come to this one, and wake no wait for a tool.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while _at_work.is_set() and time.monotonic() < deadline:
        time.sleep(0.02)
    os._exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Break off what is at work, once: what it tidies up then must not be broken off."""
    if _at_work.is_set() and not _ending.is_set():
        _ending.set()
        raise KeyboardInterrupt
