"""Run one step of the ladder in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.progress import Progress

from .row import Measurement

_PATIENCE_S = 5
# What it imports takes seconds, and is not waited for when we are gone.
_PROGRAM = (
    "from plena_cosim.ground.lifeline import end_with_stdin; end_with_stdin(); "
    "from plena_cosim.evaluate.ladder.step import main; raise SystemExit(main())"
)


class StepError(PlenaError, RuntimeError):
    """A step that did not come to its end; the message is the row's error."""


def measure_step(request: dict[str, Any], *, log: Path, show: Progress) -> Measurement:
    """Measure one row in a new process, and return what it found.

    The process ends with this one: when this function is left early, by an interrupt for example,
    it is stopped, and when this process is killed it notices that its standard input ends.

    Args:
        request: see `step.main`.
        log: a file for all that the process prints.
        show: called as it goes on.

    Raises:
        StepError: it failed or was killed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-c", _PROGRAM]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as child,
    ):
        try:
            answer = _converse(child, request, show)
        except BaseException:
            _stop(child)
            raise
        status = child.wait()
    if "error" in answer:
        raise StepError(answer["error"])
    if "measured" in answer:
        return Measurement.model_validate(answer["measured"])
    raise StepError(f"{_ending(status)}; what it printed is in {log}")


def _converse(
    child: subprocess.Popen[str], request: dict[str, Any], show: Progress
) -> dict[str, Any]:
    """Hand over the request, pass progress on, and return the last message."""
    assert child.stdin is not None
    assert child.stdout is not None
    answer: dict[str, Any] = {}
    line = json.dumps(request) + "\n"
    with contextlib.suppress(BrokenPipeError):  # it died at once; its status says how
        os.write(child.stdin.fileno(), line.encode())  # past the buffer, which would try again
    for line in child.stdout:
        message = json.loads(line)
        if "show" in message:
            show(*message["show"])
        else:
            answer = message
    return answer


def _stop(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _ending(status: int) -> str:
    if status >= 0:
        return f"the step's process ended with status {status} and no result"
    name = signal.Signals(-status).name
    hint = " (the machine may have run out of memory)" if name == "SIGKILL" else ""
    return f"the step's process was ended by {name}{hint}"
