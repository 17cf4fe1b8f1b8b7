"""chat_server: `plena serve` as a process of its own, for as long as it is needed."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from plena_cosim.ground.lifeline import lifeline, tied
from plena_cosim.sources import TextSourceError

LISTENS = re.compile(r" at (http://\S+/v1)$")


@contextmanager
def chat_server(words: Sequence[str]) -> Iterator[str]:
    """Serve a model on this machine alone, at a free port, until the block ends.

    The server ends with this process, however that one ends.

    Args:
        words: options of `plena serve`, such as ["--model", "demo"].

    Yields:
        The address of its interface, such as "http://127.0.0.1:41234/v1".

    Raises:
        TextSourceError: it has ended before it listened; with its own words.
    """
    command = [sys.executable, "-m", "plena_cosim", "serve", "--port", "0", *words]
    with lifeline() as stdin, tempfile.TemporaryFile("w+", encoding="utf-8") as complaints:
        process = subprocess.Popen(
            tied(command),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None
        said: list[str] = []
        try:
            address = _address(process.stdout, said)
            if address is None:
                process.wait()
                complaints.seek(0)
                lines = [*said, *complaints.read().splitlines()]
                last = next((each for each in reversed(lines) if each.strip()), "no word")
                raise TextSourceError(f"plena serve has ended: {last}")
            # Nobody reads what it says from now on, and a full pipe would hold it up.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield address
        finally:
            process.terminate()


def _address(lines: IO[str], said: list[str]) -> str | None:
    """Return the address that a server says it listens at; None where it says none."""
    for line in lines:
        said.append(line.rstrip("\n"))
        found = LISTENS.search(said[-1])
        if found:
            return found[1]
    return None
