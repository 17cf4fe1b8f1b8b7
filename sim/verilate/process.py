"""Run one external tool; whatever ends us ends it and its children too."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from plena_cosim.ground.lifeline import lifeline, tied


def heed_interrupts() -> None:
    """Make a child heed SIGINT (for `preexec_fn`): a shell's background jobs inherit it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_tool(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run `command` and return its exit status and what it wrote (stdout and stderr together).

    The tool gets a process group of its own, which is killed as a whole when the wait is broken off
    (Ctrl-C, a timeout signal), so that no compiler keeps writing into a folder that is gone; it
    goes too when this process is killed.

    Args:
        command: the tool and its arguments.
        cwd: folder to run in.
        env: variables set on top of ours.
    """
    with (
        lifeline() as stdin,
        subprocess.Popen(
            tied(command),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        try:
            output, _ = process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output
