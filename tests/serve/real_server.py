"""A server of its own process, as `plena serve` starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from openai import OpenAI


@dataclass(frozen=True, kw_only=True)
class RealServer:
    """A server that listens.

    Attributes:
        url: without a path.
        model: its name there.
        process: of the command.
    """

    url: str
    model: str
    process: subprocess.Popen[str]

    def openai(self, key: str = "-") -> OpenAI:
        """Return the official client, which tries nothing twice."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=300)

    def http(self) -> httpx2.Client:
        """Return a plain client."""
        return httpx2.Client(base_url=self.url, timeout=300)

    def memory_mib(self) -> float:
        """Return what the process holds in memory."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; return the exit code and what was said."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=300)
        return self.process.returncode, said


@contextmanager
def serving(
    model: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[RealServer]:
    """Start `plena serve` on a free port, and give it when it listens; kill what is left."""
    command = [sys.executable, "-m", "plena_cosim", "serve", "--model", str(model), "--port", "0"]
    given = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | dict(environment or {})
    process = subprocess.Popen(
        [*command, "--threads", "1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=given,
    )
    try:
        assert process.stdout is not None
        said = []
        while not (found := re.search(r"at (http://[\d.]+:\d+)/v1", said[-1] if said else "")):
            line = process.stdout.readline()
            assert line, "".join(said)
            said.append(line)
        yield RealServer(url=found[1], model=str(model), process=process)
    finally:
        process.kill()
        process.communicate()
