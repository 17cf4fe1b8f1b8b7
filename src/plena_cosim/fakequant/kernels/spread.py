"""A kernel's rows spread over threads: as many as torch has.

The threads are Python's own, which kernels leave free to run: of numba's own layers one dies in a
forked process, and another where two threads call at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import torch

from plena_cosim.golden.float_environment import enter_default_environment


class _Pool:
    """Threads of this process, as many as were ever asked for at once."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child does: it has no threads, and perhaps a lock in use."""
        self.lock = Lock()
        self.threads: ThreadPoolExecutor | None = None
        self.count = 0

    def of(self, count: int) -> ThreadPoolExecutor:
        """Return a pool of at least so many threads."""
        with self.lock:
            if self.threads is None or self.count < count:
                self.threads = ThreadPoolExecutor(
                    count,
                    thread_name_prefix="plena_kernel",
                    initializer=enter_default_environment,
                )
                self.count = count
            return self.threads


_POOL = _Pool()
os.register_at_fork(after_in_child=_POOL.forget)


def spread(kernel: Callable[..., Any], count: int, *given: Any, least: int = 1) -> None:
    """Call kernel(first, last, *given) for parts of range(count) that cover it, and wait.

    Args:
        kernel: compiled with nogil; calls with other parts must not meet in what they write. Its
            other threads round to nearest and keep subnormals, which this thread has to do, too,
            if that matters.
        count: of rows, or whatever the parts are made of.
        given: the rest of its arguments.
        least: a part has no fewer, so that small work stays in this thread.

    Raises:
        Exception: what a call raised, after all have ended.
    """
    parts = max(1, min(torch.get_num_threads(), count // max(1, least)))
    bounds = [count * part // parts for part in range(parts + 1)]
    if parts == 1:
        kernel(0, count, *given)
        return
    pool = _POOL.of(parts - 1)
    others = [pool.submit(kernel, *bounds[i : i + 2], *given) for i in range(1, parts)]
    try:
        kernel(*bounds[:2], *given)
    finally:
        failures = [other.exception() for other in others]
    for failure in failures:
        if failure is not None:
            raise failure
