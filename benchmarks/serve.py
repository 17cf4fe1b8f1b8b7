"""Load `plena serve` with clients, and with all that clients do wrong.

    python benchmarks/serve.py [--model demo] [--recipe FILE] [--clients 1 8 32] [--json FILE]

The server is a process of its own, on loopback. Under load each client asks again and again as soon
as it has its answer; prompts differ. Latency is from the request to the end of the stream, "first
token" to its first piece; CPU seconds are the server's, for machines that others share. Then come
the memory after many short requests, connections that are dropped, bodies that are too large, a
full queue, and SIGTERM in mid-stream.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
from rich.console import Console
from rich.table import Table

from plena_cosim.evaluate.record import describe_run, write_json
from plena_cosim.ground.progress_bar import progress_bars

WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on"),
    *("are", "as", "with", "his", "they", "at", "be", "this", "have", "from"),
)
BATCH, QUEUE, BODY, GRACE_S = 4, 8, 65536, 2.0
"""Of the server that is to refuse: small enough to be reached."""
LONG = 1000
"""Tokens of a text that is broken off."""
DECODED = 'plena_tokens_total{phase="decode"}'


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that listens.

    Attributes:
        url: without a path.
        process: of the command.
    """

    url: str
    process: subprocess.Popen[str]

    def client(self) -> openai.OpenAI:
        """Return the official client, which tries nothing twice."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="-", max_retries=0, timeout=3600)

    def counter(self, name: str) -> float:
        """Return what the server counts under a name, labels included; 0 where it is not there."""
        text = httpx2.get(f"{self.url}/metrics", timeout=3600).text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    def wait_idle(self) -> float:
        """Wait until nothing is written any more; return the seconds that this took."""
        began = time.perf_counter()
        while self.counter("plena_running_choices") or self.counter("plena_waiting_choices"):
            time.sleep(0.01)
        return time.perf_counter() - began

    def cpu_s(self) -> float:
        """Return the seconds that the process has computed so far."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        ticks = text.rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Return what the process holds in memory."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def serving(words: Sequence[str]) -> Iterator[Served]:
    """Start `plena serve` on a free port, and give it when it listens; kill what is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "plena_cosim", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        assert process.stdout is not None
        said = ""
        while (found := re.search(r"at (http://[\d.]+:\d+)/v1", said)) is None:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"plena serve has ended:\n{said}")
            said += line
        yield Served(url=found[1], process=process)
    finally:
        process.kill()
        process.communicate()


def prompt(number: int, words: int) -> str:
    """Return the text of a request, another one for each number."""
    return " ".join(WORDS[(number + 7 * each * each) % len(WORDS)] for each in range(words))


def ask(client: openai.OpenAI, number: int, given: argparse.Namespace) -> dict[str, float]:
    """Have a text written as a stream; return its times in seconds, and its tokens."""
    began, first, usage = time.perf_counter(), None, None
    stream = client.completions.create(
        model=given.model,
        prompt=prompt(number, given.words),
        max_tokens=given.tokens,
        temperature=1.0,
        seed=number,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if first is None:
            first = time.perf_counter()
        usage = chunk.usage or usage
    assert first is not None
    assert usage is not None
    done = time.perf_counter()
    return {
        "latency": done - began,
        "first": first - began,
        "prompt_tokens": usage.prompt_tokens,
        "tokens": usage.completion_tokens,
    }


def under_load(served: Served, clients: int, given: argparse.Namespace) -> dict[str, Any]:
    """Let clients ask at once; return rates and times."""
    count = max(given.requests, clients)
    client = served.client()
    ask(client, 0, given)  # the first pass of a process is slower
    began, cpu = time.perf_counter(), served.cpu_s()
    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(lambda number: ask(client, number, given), range(1, count + 1)))
    seconds, cpu = time.perf_counter() - began, served.cpu_s() - cpu
    return {
        "clients": clients,
        "requests": count,
        "prompt_tokens": sum(each["prompt_tokens"] for each in found),
        "tokens": sum(each["tokens"] for each in found),
        "seconds": seconds,
        "cpu_s": cpu,
        "requests_per_s": count / seconds,
        "tokens_per_s": sum(each["tokens"] for each in found) / seconds,
        **{
            f"{name}_{which}_s": take([each[name] for each in found])
            for name in ("latency", "first")
            for which, take in (("median", statistics.median), ("p95", p95))
        },
    }


def p95(times: Sequence[float]) -> float:
    """Return the time that 95 of 100 do not exceed: one that was measured."""
    return sorted(times)[-(-95 * len(times) // 100) - 1]


def memory(served: Served, count: int, progress: Callable[..., None]) -> dict[str, Any]:
    """Return MiB before and after so many requests of two tokens."""
    client = served.client()
    [model] = [each.id for each in client.models.list()]

    def one(number: int) -> None:
        text = prompt(number, 4 + number % 8)
        client.completions.create(model=model, prompt=text, max_tokens=2, seed=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(40)))
        before = served.memory_mib()
        for done, _ in enumerate(pool.map(one, range(count)), start=1):
            progress("requests", done, count)
    return {"requests": count, "before_mib": before, "after_mib": served.memory_mib()}


def dropped(served: Served, given: argparse.Namespace) -> dict[str, Any]:
    """Close streams behind their first piece; return when the server is idle again."""
    client, before = served.client(), served.counter(DECODED)
    streams = [long_text(client, number, given) for number in range(BATCH)]
    for stream in streams:
        next(iter(stream))
    for stream in streams:
        stream.close()
    seconds = served.wait_idle()
    return {
        "connections": BATCH,
        "idle_after_s": seconds,
        "tokens_asked_for": BATCH * LONG,
        "tokens_written": served.counter(DECODED) - before,
    }


def too_large(served: Served) -> dict[str, Any]:
    """Send bodies that are larger than the server takes; return their answers."""
    content = b'{"prompt": "' + b"a" * (16 * BODY) + b'"}'
    found: Counter[str] = Counter()
    times = []
    for _ in range(20):
        began = time.perf_counter()
        try:
            answer = httpx2.post(
                f"{served.url}/v1/completions",
                content=content,
                headers={"Content-Type": "application/json"},
                timeout=3600,
            )
            found[str(answer.status_code)] += 1
        except httpx2.TransportError:  # closed before the whole body was sent
            found["closed"] += 1
        times.append(time.perf_counter() - began)
    return {"bodies": 20, "answers": dict(found), "median_s": statistics.median(times)}


def full_queue(served: Served, clients: int, given: argparse.Namespace) -> dict[str, Any]:
    """Let more clients ask than are taken on; return their answers, and times of refusals."""
    client = served.client()

    def one(number: int) -> tuple[int, float]:
        began = time.perf_counter()
        try:
            ask(client, number, given)
        except openai.APIStatusError as error:
            return error.status_code, time.perf_counter() - began
        return 200, time.perf_counter() - began

    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(one, range(clients)))
    refused = [seconds for status, seconds in found if status == 429]
    return {
        "clients": clients,
        "answers": {str(key): count for key, count in Counter(key for key, _ in found).items()},
        "refused_median_s": statistics.median(refused) if refused else None,
    }


def sigterm(served: Served, given: argparse.Namespace) -> dict[str, Any]:
    """End the server while it writes streams that are longer than its grace time."""
    client, ends = served.client(), Counter[str]()
    streams = [long_text(client, number, given) for number in range(BATCH)]
    for stream in streams:
        next(iter(stream))

    def read(stream: openai.Stream[Any]) -> None:
        try:
            for _ in stream:
                pass
            ends["whole"] += 1
        except openai.APIError as error:
            ends[str(error)] += 1

    with ThreadPoolExecutor(BATCH) as pool:
        reading = [pool.submit(read, stream) for stream in streams]
        began = time.perf_counter()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.stdout is not None
        said = served.process.stdout.readline().strip()
        ended = time.perf_counter() - began
        code = served.process.wait()
        seconds = time.perf_counter() - began
        for each in reading:
            each.result()
    return {
        "streams": BATCH,
        "ends": dict(ends),
        "said": said,
        "said_after_s": ended,
        "exit_code": code,
        "exit_after_s": seconds,
    }


def long_text(client: openai.OpenAI, number: int, given: argparse.Namespace) -> openai.Stream[Any]:
    """Return the stream of a text that takes a while."""
    text = prompt(number, given.words)
    return client.completions.create(
        model=given.model, prompt=text, max_tokens=LONG, seed=number, stream=True
    )


def shown(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """Return what was measured under load as a table: rates, and times as median and p95."""
    table = Table(title=title)
    table.add_column("numerics")
    for header in ("clients", "requests", "tokens", "each/s", "CPU s", "latency, s", "first"):
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(
            *(str(row[key]) for key in ("numerics", "clients", "requests", "tokens")),
            f"{row['requests_per_s']:.2f}, {row['tokens_per_s']:.2f}",
            f"{row['cpu_s']:.1f}",
            *(
                f"{row[f'{key}_median_s']:.2f}, {row[f'{key}_p95_s']:.2f}"
                for key in ("latency", "first")
            ),
        )
    return table


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="demo", help="what plena serve serves")
    parser.add_argument("--recipe", default="llama_w4a4_mxint.toml")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="at once")
    parser.add_argument("--exact-clients", type=int, default=8, help="of the row of exact numerics")
    parser.add_argument("--requests", type=int, default=8, help="of each row, at least")
    parser.add_argument("--words", type=int, default=24, help="of a prompt")
    parser.add_argument("--tokens", type=int, default=16, help="that a text has at most")
    parser.add_argument("--many", type=int, default=1000, help="requests that memory is seen over")
    parser.add_argument("--threads", type=int, default=1, help="of the server")
    parser.add_argument("--json", type=Path, default=Path("results/bench/serve.json"))
    given = parser.parse_args()
    console = Console()
    words = ["--model", given.model, "--quant-config", given.recipe]
    words += ["--threads", str(given.threads), "--timeout", "3600"]
    rows, found = list[dict[str, Any]](), dict[str, Any]()
    run = describe_run(seed=0, config_sha256=None)
    asked = {key: str(value) for key, value in vars(given).items()}

    def keep() -> None:
        write_json(given.json, {"run": run, "arguments": asked, "load": rows, **found})

    with progress_bars(console) as progress:
        with serving([*words, "--numerics", "fake"]) as served:
            for done, clients in enumerate(given.clients):
                progress("load", done, len(given.clients) + 1)
                rows.append({"numerics": "fake", **under_load(served, clients, given)})
                keep()
            found["memory"] = memory(served, given.many, progress)
            keep()
        with serving([*words, "--numerics", "exact"]) as served:
            rows.append({"numerics": "exact", **under_load(served, given.exact_clients, given)})
            keep()
        progress("load", len(rows), len(rows))
        limits = ["--max-batch", str(BATCH), "--max-queue", str(QUEUE), "--max-body", str(BODY)]
        with serving([*words, *limits, "--grace", str(GRACE_S)]) as served:
            found["dropped"] = dropped(served, given)
            found["too_large"] = too_large(served)
            found["full_queue"] = full_queue(served, max(given.clients), given)
            served.wait_idle()
            found["sigterm"] = sigterm(served, given)
            keep()
    title = f"{given.model} ({given.recipe}), {given.threads} threads"
    console.print(shown(rows, title))
    for what, record in found.items():
        console.print(f"{what}: {record}", markup=False, soft_wrap=True)
    console.print(f"wrote {given.json}")


if __name__ == "__main__":
    main()
