"""run_families: every family in a process of its own, so that one crash is one row."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize, get_temp_dir
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.lifeline import SERVED, end_with_parent
from plena_cosim.ground.progress import Progress
from plena_cosim.ground.record import environment
from plena_cosim.ground.scratch_folder import scratch_folder
from plena_cosim.sources import TextSourceError

from .check import FamilyResult, check_family
from .shrink import families

PATIENCE_S = 300
_GLANCE_S = 0.2
_ROOM_FOR_SOCKETS = 70
"""Characters of a folder in which a socket's address, of 104 at most, has room for its name."""
_PACKAGES = ("plena-cosim", "torch", "transformers")
_PRELOADED = [
    "plena_cosim.ground.orphan",
    "torch",
    "transformers",
    "plena_cosim.evaluate.families.check",
]


def run_families(
    only: Sequence[str] = (), *, jobs: int = 1, progress: Progress | None = None
) -> dict[str, Any]:
    """Return what becomes of every family, or of some.

    Args:
        only: types of configurations; empty for all that transformers knows.
        jobs: processes at a time; each computes on one thread.
        progress: told which family has come to its end, how many have, and how many there are.

    Returns:
        A record: `run` says what ran, `families` has a FamilyResult each, as values for JSON.

    Raises:
        TextSourceError: there is no such family.
    """
    known = families()
    for name in only:
        if name not in known:
            raise TextSourceError(
                f"no family {name!r} among the {len(known)} that transformers knows"
                f"{did_you_mean(name, known)}"
            )
    names = list(only or sorted(known))
    found = []
    with _results(names, jobs) as results:
        for done, result in enumerate(results, start=1):
            found.append(result.model_dump())
            if progress is not None:
                progress(f"families: {result.family}", done, len(names))
    return {"run": environment(_PACKAGES), "families": found}


@contextlib.contextmanager
def _results(names: Sequence[str], jobs: int) -> Iterator[Iterator[FamilyResult]]:
    """Give the results in the order of the names; what is at work when the block ends is killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    os.environ[SERVED] = str(os.getpid())
    _own_folder_of_sockets()
    over = threading.Event()
    pool = ThreadPoolExecutor(jobs)
    asked = []
    try:
        for name in names:
            asked.append(pool.submit(_in_a_process, context, name, over))
        yield (one.result() for one in asked)
    finally:
        over.set()
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(one.done() for one in asked):
            _end_server()
            time.sleep(_GLANCE_S)
        os.environ.pop(SERVED, None)


def _end_server() -> None:
    """End the server of processes, which may load for seconds yet while a thread waits for it.

    A thread that was about to ask for a process starts it anew, so once is not enough.
    """
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@functools.cache
def _own_folder_of_sockets() -> None:
    """Let multiprocessing have its folder in one of ours: its own stays after kill -9, for ever."""
    with scratch_folder("families") as folder:
        if len(os.fsencode(folder)) > _ROOM_FOR_SOCKETS:
            return  # by then what killed runs have left is gone
    folder.mkdir()
    # Not sooner, for the server stays in use; multiprocessing removes its own at -100.
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=-200)
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    get_temp_dir()
    tempfile.tempdir = before


def _in_a_process(context: Any, family: str, over: threading.Event) -> FamilyResult:
    """Return one result; what ends the process is the fault of the family."""
    if over.is_set():
        return FamilyResult(family=family, fault="not begun")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(writer, family), daemon=True)
    child.start()
    writer.close()
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not reader.poll(_GLANCE_S):
            if over.is_set() or time.monotonic() > deadline:
                return FamilyResult(family=family, fault=f"took longer than {PATIENCE_S} s")
        return FamilyResult.model_validate_json(reader.recv())
    except EOFError:
        child.join()
        return FamilyResult(family=family, fault=_ending(child.exitcode))
    finally:
        reader.close()
        child.kill()
        child.join()


def _work(writer: Connection, family: str) -> None:
    """Check one family and send what was found; what the family's code prints is dropped."""
    import torch

    end_with_parent()
    torch.set_num_threads(1)
    with (
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stderr(nothing),
        contextlib.redirect_stdout(nothing),
    ):
        result = check_family(family)
    writer.send(result.model_dump_json())


def _ending(status: int) -> str:
    if status >= 0:
        return f"its process ended with status {status}"
    return f"its process was ended by {signal.Signals(-status).name}"
