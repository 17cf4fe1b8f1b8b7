"""Processes that end with the one that started them, however that one ends: also by kill -9."""

from __future__ import annotations

import multiprocessing
import os
import select
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SERVED = "PLENA_SERVED_PROCESS"
"""A variable of the environment: the process that a server of processes ends with."""

# The shell stays as the parent of both, so that none becomes a zombie. The watchdog reads a pipe
# that nobody writes to: when our end closes, all of the group goes, compilers of compilers too.
# The trap lets the shell outlive an interrupt that the tool may want to tidy up after.
_WATCHED = """
trap : INT
exec 3<&0
{ read -r _; kill -s KILL -- -$$; } <&3 3<&- >/dev/null 2>&1 &
watchdog=$!
"$@" </dev/null 3<&-
status=$?
kill -s KILL "$watchdog"
wait "$watchdog" 2>/dev/null
exit "$status"
"""


def tied(command: Sequence[str]) -> list[str]:
    """Return a command that runs `command`, and ends it with all its children when we are gone.

    To be started with `start_new_session=True`, and with what `lifeline` gives as standard input.
    A tool that a signal ends comes back with 128 and the signal's number.

    Args:
        command: the tool and its arguments.
    """
    return ["/bin/sh", "-c", _WATCHED, "plena-tool", *command]


@contextmanager
def lifeline() -> Iterator[int]:
    """Give the standard input of a `tied` command; the command ends when the block ends."""
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone; for pools and their workers."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_stdin() -> None:
    """Let this process end when nobody can write to its standard input any more.

    To be called before anything that takes long, imports too. What is written there is left there.
    """
    hung_up = select.poll()
    hung_up.register(sys.stdin.fileno(), 0)

    def watch() -> None:
        hung_up.poll()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
