"""Merge the coverage of all cases and say what was never hit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.ground.record import environment, write_record

from ..cases.table import Case, all_cases, find_case, select_cases
from .collect import Coverage

FOLDER = "coverage"
NAMES_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One case's bins, sorted."""

    case: Case
    hit: tuple[str, ...]
    missed: tuple[str, ...]
    """Reachable as far as anybody knows, and never hit."""
    impossible: tuple[str, ...]
    """Unreachable by definition."""
    proven: tuple[str, ...]
    """Unreachable: every input was tried."""
    contradicted: tuple[str, ...]
    """Called impossible and hit all the same."""

    @property
    def reachable(self) -> int:
        """How many bins there are to hit."""
        return len(self.hit) + len(self.missed)


def judge(coverage: Coverage) -> Verdict:
    """Sort the bins of a case."""
    kinds: dict[str, list[str]] = {
        key: [] for key in ("hit", "missed", "impossible", "proven", "contradicted")
    }
    for group in coverage.groups:
        for name, count in zip(group.bins, coverage.counts[group.name], strict=True):
            impossible = name in group.impossible
            if count:
                key = "contradicted" if impossible else "hit"
            else:
                key = (
                    "impossible"
                    if impossible
                    else "proven"
                    if coverage.is_proof(group)
                    else "missed"
                )
            kinds[key].append(f"{group.name}: {name}")
    return Verdict(case=coverage.case, **{key: tuple(names) for key, names in kinds.items()})


def load(
    folder: Path, *, only: Iterable[str] | None = None, seed: int | None = None
) -> list[Coverage]:
    """Return the merged coverage of the cases recorded in `folder`, in the order of their names.

    Args:
        folder: where `Coverage.save` wrote, one file a case and seed.
        only: IDs of cases to take; all when None.
        seed: take runs with this seed; all when None.
    """
    known = {case.id: case for case in all_cases()}
    merged: dict[str, Coverage] = {}
    chosen = None if only is None else set(only)
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if chosen is not None and record["case"] not in chosen:
            continue
        if seed is not None and record["seed"] != seed:
            continue
        try:
            case = known.get(record["case"]) or find_case(record["case"])
        except FormatError:  # the table does not have it any more
            continue
        if case.id not in merged:
            merged[case.id] = Coverage(case=case)
        merged[case.id].merge(record["groups"], vectors=record["vectors"], whole=record["whole"])
    return [merged[key] for key in sorted(merged)]


def summarise(results: Path, *, block: str | None = None, fmt: str | None = None) -> list[Verdict]:
    """Merge the runs of all seeds recorded in `results`, write coverage.json, and judge.

    Args:
        results: folder of the regression's results.
        block: only this op; None: all.
        fmt: only cases with this format; None: all.

    Returns:
        One verdict a case, in the order of the table.

    Raises:
        FormatError: an unknown block or format, or nothing recorded yet.
    """
    cases = [case.id for case in select_cases(block, fmt)]
    seen = load(results / FOLDER, only=cases)
    if not seen:
        raise FormatError(f"no coverage of these cases in {results / FOLDER}; run `plena sim`")
    write_merged(results)
    return [judge(coverage) for coverage in seen]


def write_merged(results: Path) -> None:
    """Write coverage.json: the counts of all cases and seeds, and what they mean."""
    cases = []
    for coverage in load(results / FOLDER):
        verdict = judge(coverage)
        cases.append(
            {
                **coverage.record(),
                "missed": verdict.missed,
                "unreachable by definition": verdict.impossible,
                "unreachable (exhaustive)": verdict.proven,
                "contradicted": verdict.contradicted,
            }
        )
    write_record(results / "coverage.json", {**environment(["numpy"]), "cases": cases})


def total_line(verdicts: Iterable[Verdict]) -> str:
    """Return the sum of all cases in one line."""
    every = list(verdicts)
    hit = sum(len(verdict.hit) for verdict in every)
    reachable = sum(verdict.reachable for verdict in every)
    gone = sum(len(verdict.impossible) + len(verdict.proven) for verdict in every)
    wrong = sum(len(verdict.contradicted) for verdict in every)
    line = f"coverage: {hit:,} of {reachable:,} reachable bins hit, {gone:,} cannot be reached"
    if wrong:
        line += f"; {wrong} CALLED UNREACHABLE AND HIT"
    if hit < reachable or wrong:
        line += "; `plena coverage` names them"
    return line


def table(verdicts: Iterable[Verdict]) -> Table:
    """Return block × format × bins, one row a case."""
    shown = Table()
    for heading in ("block", "format"):
        shown.add_column(heading)
    for heading in ("hit", "reachable", "by definition", "exhaustive"):
        shown.add_column(heading, justify="right")
    for verdict in verdicts:
        style = "bold red" if verdict.missed or verdict.contradicted else ""
        shown.add_row(
            verdict.case.op.name,
            verdict.case.fmt_text,
            f"{len(verdict.hit):,}",
            f"{verdict.reachable:,}",
            f"{len(verdict.impossible):,}",
            f"{len(verdict.proven):,}",
            style=style,
        )
    return shown


def missed_lines(verdicts: Iterable[Verdict], *, every: bool = False) -> list[str]:
    """Return one line a case with bins that were never hit, named."""
    lines = []
    for verdict in verdicts:
        for word, names in (
            ("never hit", verdict.missed),
            ("called unreachable and hit", verdict.contradicted),
        ):
            if names:
                listed = names if every else names[:NAMES_SHOWN]
                more = len(names) - len(listed)
                tail = f"; and {more} more (--all)" if more else ""
                lines.append(f"{verdict.case.id} {word}: {'; '.join(listed)}{tail}")
    return lines


def unreachable_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """Return one line a case with the bins that cannot be reached, and why."""
    reasons: tuple[tuple[str, str], ...] = (
        ("impossible", "unreachable by definition"),
        ("proven", "unreachable (exhaustive)"),
    )
    lines = []
    for verdict in verdicts:
        found: Mapping[str, Any] = vars(verdict)
        for key, words in reasons:
            if found[key]:
                lines.append(f"{verdict.case.id} {words}: {'; '.join(found[key])}")
    return lines
