"""A tied command ends with us, all its children too, and is otherwise as it always was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from plena_cosim.ground.lifeline import lifeline, tied

GRANDCHILDREN = "sleep 60 & sh -c 'sleep 60'; echo never"


def test_status_and_words_are_the_tool_s() -> None:
    with lifeline() as stdin:
        done = subprocess.run(
            tied(["sh", "-c", "cat; echo said; echo wrong >&2; exit 3"]),
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "wrong\n")


def processes_of(session: int) -> list[str]:
    """The processes of a session, zombies left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            found.append(stat.parent.name)
    return found


def wait_until_gone(session: int) -> None:
    deadline = time.monotonic() + 5
    while processes_of(session):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_grandchildren_end_when_the_block_ends() -> None:
    with lifeline() as stdin:
        tool = subprocess.Popen(
            tied(["sh", "-c", GRANDCHILDREN]), stdin=stdin, start_new_session=True
        )
        while len(processes_of(tool.pid)) < 5:
            time.sleep(0.05)
    wait_until_gone(tool.pid)
    tool.wait()


def test_grandchildren_end_when_their_starter_is_killed() -> None:
    program = (
        "import subprocess\n"
        "from plena_cosim.ground.lifeline import lifeline, tied\n"
        "with lifeline() as stdin:\n"
        f"    tool = subprocess.Popen(tied(['sh', '-c', {GRANDCHILDREN!r}]), stdin=stdin,\n"
        "        start_new_session=True)\n"
        "    print(tool.pid, flush=True)\n"
        "    tool.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        session = int(starter.stdout.readline())
        while len(processes_of(session)) < 5:
            time.sleep(0.05)
        starter.kill()
        starter.wait()
        wait_until_gone(session)


def test_an_interrupt_reaches_the_tool_and_its_status_comes_back() -> None:
    with lifeline() as stdin:
        tool = subprocess.Popen(
            tied(["sh", "-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done"]),
            stdin=stdin,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert tool.stdout is not None
        tool.stdout.readline()
        os.killpg(tool.pid, signal.SIGINT)
        assert tool.wait(10) == 7
        tool.stdout.close()
