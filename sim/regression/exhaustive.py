"""The long run: every input of a 16-bit two-operand block, in chunks that are never run twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import time_left, time_text
from plena_cosim.ground.progress_bar import paced_bar
from plena_cosim.ground.record import commit, write_record
from plena_cosim.ground.workers import in_processes

from ..cases.compare import compare, load_case
from ..cases.table import Case, find_case, select_cases
from ..player.harness import input_ports
from ..stimuli.stimuli import every_input, is_scalar
from ..verilate.rtl_files import RTL_DIR, needed_sources

BLOCKS = ("fp_add", "fp_mul")
CHUNK_BITS = 24
MAXIMUM_BITS = 32
GOLDEN_DIR = Path(__file__).resolve().parents[2] / "golden"


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What one chunk of inputs came to."""

    index: int
    vectors: int
    mismatches: int
    seconds: float
    rtl_seconds: float
    line: str = ""
    """The first mismatch, and how to see it again."""


@dataclass(kw_only=True)
class Ledger:
    """The finished chunks of one case, kept in a file; what is in it is not run again."""

    path: Path
    case: str
    chunk_bits: int
    sources: str
    """Digest of RTL and golden: other sources start a new ledger."""
    total: int
    done: dict[int, Chunk]

    @classmethod
    def open(cls, case: Case, folder: Path, *, chunk_bits: int, rtl_dir: Path) -> Ledger:
        """Read the case's ledger; an empty one if there is none for these sources and chunks.

        Args:
            case: whose inputs are tried.
            folder: of the ledgers.
            chunk_bits: log2 of a chunk's inputs.
            rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.

        Returns:
            The ledger with the chunks that are done.
        """
        bits = sum(port.total_bits for port in input_ports(case.op, case.formats))
        ledger = cls(
            path=folder / f"{case.id}.json",
            case=case.id,
            chunk_bits=min(chunk_bits, bits),
            sources=_digest(case, rtl_dir),
            total=1 << max(bits - chunk_bits, 0),
            done={},
        )
        if ledger.path.is_file():
            record: dict[str, Any] = json.loads(ledger.path.read_text(encoding="utf-8"))
            if all(record[key] == getattr(ledger, key) for key in ("chunk_bits", "sources")):
                ledger.done = {row["index"]: Chunk(**row) for row in record["chunks"]}
        return ledger

    def add(self, chunk: Chunk) -> None:
        """Note a finished chunk, on disk at once."""
        self.done[chunk.index] = chunk
        record = {key: getattr(self, key) for key in ("case", "chunk_bits", "sources", "total")}
        rows = [asdict(self.done[index]) for index in sorted(self.done)]
        write_record(self.path, {"commit": commit(), **record, "chunks": rows})

    @property
    def left(self) -> list[int]:
        """Indices of the chunks that remain."""
        return [index for index in range(self.total) if index not in self.done]

    @property
    def mismatches(self) -> int:
        """Inputs on which RTL and golden differ, so far."""
        return sum(chunk.mismatches for chunk in self.done.values())


def _digest(case: Case, rtl_dir: Path) -> str:
    paths = [*needed_sources(case.op.module, rtl_dir), *sorted(GOLDEN_DIR.rglob("*.py"))]
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in paths]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:20]


def long_case(block: str, fmt: str) -> Case:
    """Return the plain case of a block whose inputs can all be tried.

    Raises:
        FormatError: an unknown block or format, or inputs of more than 32 bits.
    """
    case = next(case for case in select_cases(block, fmt) if not case.modes)
    bits = sum(port.total_bits for port in input_ports(case.op, case.formats))
    if not is_scalar(case.op) or bits > MAXIMUM_BITS:
        raise FormatError(
            f"{case.id} has {bits} bits of input; the long run takes scalar blocks of at most "
            f"{MAXIMUM_BITS} bits, e.g. --block fp_mul --fmt fp16"
        )
    return case


def run_chunk(
    case_id: str, index: int, *, chunk_bits: int, failures: Path, rtl_dir: Path = RTL_DIR
) -> Chunk:
    """Run chunk `index` of a case through RTL and golden; a mismatch is saved for a replay.

    Args:
        case_id: of the regression's table.
        index: of the chunk.
        chunk_bits: log2 of a chunk's inputs.
        failures: folder for mismatches.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.

    Returns:
        What it came to, fit for the ledger.
    """
    case = find_case(case_id)
    began = time.perf_counter()
    begin = index << chunk_bits
    beats = every_input(case.op, case.formats, begin=begin, end=begin + (1 << chunk_bits))
    outcome = compare(case, load_case(case, rtl_dir=rtl_dir), beats, seed=0)
    line = ""
    if outcome.first is not None:
        first = replace(outcome.first, vector=begin + outcome.first.vector)
        first.save(failures)
        line = f"MismatchError: {first.line()}; replay: make replay ID={first.id}"
    return Chunk(
        index=index,
        vectors=outcome.vectors,
        mismatches=outcome.mismatches,
        seconds=time.perf_counter() - began,
        rtl_seconds=outcome.rtl_seconds,
        line=line,
    )


def run(
    blocks: Sequence[str],
    fmt: str,
    *,
    chunks: int | None,
    jobs: int,
    folder: Path,
    failures: Path,
    console: Console,
    chunk_bits: int = CHUNK_BITS,
    rtl_dir: Path = RTL_DIR,
) -> int:
    """Run what remains of each block's inputs; returns the exit status.

    Args:
        blocks: ops, e.g. fp_add and fp_mul.
        fmt: format of their operands.
        chunks: stop after so many chunks of each block; all when None.
        jobs: processes.
        folder: of the ledgers.
        failures: where mismatches are saved for a replay.
        console: where progress goes.
        chunk_bits: log2 of a chunk's inputs.
        rtl_dir: where the RTL is.

    Returns:
        0 if there was no mismatch, 1 otherwise.
    """
    cases = [long_case(block, fmt) for block in blocks]
    found = 0
    for case in cases:
        load_case(case, rtl_dir=rtl_dir)  # built once, before the processes start
        ledger = Ledger.open(case, folder, chunk_bits=chunk_bits, rtl_dir=rtl_dir)
        todo = ledger.left[:chunks]
        earlier = len(ledger.done)
        if earlier:
            console.print(
                f"{case.id}: {earlier} of {ledger.total} chunks done before", markup=False
            )
        _work(ledger, todo, jobs=jobs, failures=failures, rtl_dir=rtl_dir, console=console)
        for chunk in (ledger.done[index] for index in sorted(ledger.done)):
            if chunk.line:
                console.print(chunk.line, markup=False, soft_wrap=True)
        console.print(summary(ledger, todo), markup=False, soft_wrap=True)
        found += ledger.mismatches
    return 1 if found else 0


def _work(
    ledger: Ledger,
    todo: Sequence[int],
    *,
    jobs: int,
    failures: Path,
    rtl_dir: Path,
    console: Console,
) -> None:
    began = time.monotonic()
    options: dict[str, Any] = {
        "chunk_bits": ledger.chunk_bits,
        "failures": failures,
        "rtl_dir": rtl_dir,
    }
    with (
        paced_bar(console, ledger.case) as bar,
        _finished(ledger.case, todo, jobs, options) as finished,
    ):
        task = bar.add_task("", total=len(todo), left="")
        vectors = 0
        for done, chunk in enumerate(finished, 1):
            ledger.add(chunk)
            vectors += chunk.vectors
            seconds = time.monotonic() - began
            left = time_text(time_left(seconds, done=done, left=len(todo) - done))
            rate = f"{vectors / seconds:,.0f} inputs/s"
            bar.update(task, completed=done, description=rate, left=f"{left} left")
            if not console.is_terminal:
                said = f"{ledger.case}: {done} of {len(todo)} chunks, {rate}, about {left} left"
                console.print(said, markup=False, soft_wrap=True)


@contextmanager
def _finished(
    case_id: str, todo: Sequence[int], jobs: int, options: dict[str, Any]
) -> Iterator[Iterator[Chunk]]:
    """Give chunks as they finish."""
    run = partial(run_chunk, case_id, **options)
    if jobs == 1:
        yield map(run, todo)
        return
    with in_processes(run, todo, jobs=jobs) as chunks:
        yield chunks


def summary(ledger: Ledger, todo: Sequence[int]) -> str:
    """Return what is done, how fast golden and RTL were, and what the rest will take."""
    vectors = sum(chunk.vectors for chunk in ledger.done.values())
    text = (
        f"{ledger.case}: {len(ledger.done)} of {ledger.total} chunks, {vectors:,} inputs, "
        f"{ledger.mismatches:,} mismatches"
    )
    new = [ledger.done[index] for index in todo if index in ledger.done]
    rtl = sum(chunk.rtl_seconds for chunk in new)
    golden = sum(chunk.seconds for chunk in new) - rtl
    if not new or not rtl or not golden:
        return text
    count = sum(chunk.vectors for chunk in new)
    left = sum(chunk.seconds for chunk in new) / len(new) * len(ledger.left)
    return (
        f"{text}; a process does {count / golden:,.0f} inputs/s in golden and {count / rtl:,.0f} "
        f"in RTL; the rest takes it {time_text(left)}"
    )
