"""compare: runs beside the unquantised baseline, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.ground.write_whole import write_whole
from plena_cosim.sources import TextSourceError

from ..figure import new_figure
from ..record import write_json
from .index import runs_under
from .measures import Difference, difference, measures_of
from .report import Report, ReportPicture, ReportTable
from .run_folder import REPORT, RESULTS, SAMPLES, RunFile, different, read_run
from .sample_log import read_samples
from .svg import svg_of

COMPARABLE = ("eval ppl", "eval lm", "eval phase", "eval code")
"""Commands whose samples are those of one model."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One run beside the baseline.

    Attributes:
        folder: of the run.
        run: what its run.json says.
        differences: one a measure.
    """

    folder: Path
    run: RunFile
    differences: list[Difference]

    @property
    def name(self) -> str:
        """Recipe and numerics in a few words."""
        return run_name(self.run)


def run_name(run: RunFile) -> str:
    """Return recipe and numerics of a run in a few words."""
    if run.baseline:
        return "unquantised"
    recipe = Path(str(run.arguments.get("recipe", ""))).stem or "saved"
    numerics = run.arguments.get("numerics")
    return f"{recipe}, {numerics}" if numerics else recipe


def compare_runs(
    folders: Sequence[Path], *, baseline: Path | None = None
) -> tuple[Path, list[Compared]]:
    """Put runs beside a baseline.

    Args:
        folders: of finished runs, over the same samples.
        baseline: of the run that they are compared with; None: the unquantised one among them, or
            among the folders beside the first, of the same model and samples.

    Returns:
        The folder of the baseline, and the runs, the baseline left out.

    Raises:
        FormatError: runs have other samples, or there is no baseline.
        TextSourceError: a folder is not of a finished run.
    """
    runs = {folder: _finished(folder) for folder in folders}
    base = baseline or _baseline(runs)
    first = _finished(base)
    for folder, run in runs.items():
        if (run.command, run.samples) != (first.command, first.samples):
            raise FormatError(
                f"{folder} and {base} have not measured the same samples "
                f"({', '.join(_unlike(run, first))} differ); only such runs can be compared"
            )
    if first.command not in COMPARABLE:
        raise FormatError(
            f"runs of plena {first.command} are no figures of one model; those of "
            f"{', '.join(COMPARABLE)} can be compared"
        )
    theirs = {each.name: each for each in measures_of(read_samples(base / SAMPLES))}
    found = []
    for folder, run in runs.items():
        if folder.resolve() == base.resolve():
            continue
        mine = measures_of(read_samples(folder / SAMPLES))
        pairs = [difference(each, theirs[each.name]) for each in mine if each.name in theirs]
        found.append(Compared(folder=folder, run=run, differences=pairs))
    if not found:
        raise FormatError(
            f"there is nothing to compare {base} with; give the folders of other runs"
        )
    return base, found


def write_comparison(
    out: Path, base: Path, compared: Sequence[Compared], *, environment: dict[str, Any]
) -> None:
    """Write results.json and report.html of a comparison.

    Args:
        out: their folder.
        base: the folder of the baseline.
        compared: the runs.
        environment: where it was made.
    """
    record = {
        "baseline": str(base),
        "runs": [
            {
                "folder": str(each.folder),
                "name": each.name,
                "arguments": each.run.arguments,
                "differences": [
                    {**asdict(pair), "ratio": pair.ratio, "ratio_error": pair.ratio_error}
                    for pair in each.differences
                ],
            }
            for each in compared
        ],
        "run": environment,
    }
    write_json(out / RESULTS, record)
    write_whole(out / REPORT, comparison_report(base, compared, environment).html())


HEADER = ("run", "figure", "value", "change", "s.e.", "better", "worse")
NOTE = (
    "change: of a perplexity as a share of the baseline's, else the difference; s.e.: paired "
    "standard error, from how samples differ; better, worse: how many of them"
)


def comparison_rows(base: Path, compared: Sequence[Compared]) -> list[tuple[str, ...]]:
    """Return the rows of a table: the baseline's figures, then a line a run and figure."""
    name = run_name(read_run(base))
    before = {pair.name: pair.baseline for each in compared for pair in each.differences}
    rows: list[tuple[str, ...]] = [
        (name, figure, f"{value:.4f}", "", "", "", "") for figure, value in before.items()
    ]
    return rows + [
        (
            each.name,
            pair.name,
            f"{pair.value:.4f}",
            _change(pair),
            _error(pair),
            str(pair.better),
            str(pair.worse),
        )
        for each in compared
        for pair in each.differences
    ]


def comparison_report(
    base: Path, compared: Sequence[Compared], environment: dict[str, Any]
) -> Report:
    """Return the report of a comparison.

    Args:
        base: the folder of the baseline.
        compared: the runs.
        environment: where it was made.
    """
    names = list(dict.fromkeys(pair.name for each in compared for pair in each.differences))
    pictures = [_picture(name, compared) for name in names]
    table = ReportTable(
        caption="Runs beside the baseline",
        header=HEADER,
        rows=comparison_rows(base, compared),
        numbers=range(2, 7),
        note=NOTE,
    )
    return Report(
        title=f"{len(compared)} run{'s' * (len(compared) > 1)} beside {run_name(read_run(base))}",
        facts=[("baseline", str(base)), *((each.name, str(each.folder)) for each in compared)],
        parts=[*pictures, table],
        environment=environment,
    )


def _change(pair: Difference) -> str:
    return f"{pair.ratio - 1:+.2%}" if pair.perplexity else f"{pair.change:+.4f}"


def _error(pair: Difference) -> str:
    if pair.error is None:
        return "-"
    return f"{pair.ratio_error:.2%}" if pair.perplexity else f"{pair.error:.4f}"


def _picture(name: str, compared: Sequence[Compared]) -> ReportPicture:
    """Return the changes of one measure with their standard errors."""
    pairs = [(each.name, pair) for each in compared for pair in each.differences]
    shown = [(run, pair) for run, pair in pairs if pair.name == name]
    shown = [(run, pair) for run, pair in shown if math.isfinite(pair.ratio)]
    figure, axes = new_figure(8, 1.2 + 0.4 * max(len(shown), 1))
    for place, (_, pair) in enumerate(shown):
        share = 100 * (pair.ratio - 1) if pair.perplexity else pair.change
        error = pair.ratio_error if pair.perplexity else pair.error
        width = None if error is None else error * (100 if pair.perplexity else 1)
        axes.errorbar(share, place, xerr=width, fmt="o", color="#0b5cad", capsize=4)
    axes.axvline(0, color="0.4", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(shown)), [run for run, _ in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    unit = ", %" if shown and shown[0][1].perplexity else ""
    axes.set_xlabel(f"change of {name}{unit}")
    axes.spines[["top", "right"]].set_visible(False)
    words = "; ".join(f"{run} {_change(pair)} ± {_error(pair)}" for run, pair in shown)
    return ReportPicture(
        svg=svg_of(figure),
        alt=f"change of {name} against the baseline: {words}",
        caption=f"Change of {name} against the baseline, with paired standard errors.",
    )


def _finished(folder: Path) -> RunFile:
    run = read_run(folder)
    if run.state != "finished":
        raise TextSourceError(
            f"{folder} holds a run of plena {run.command} that has not come to its end; give the "
            "same command again to go on"
        )
    return run


def _baseline(runs: dict[Path, RunFile]) -> Path:
    """Return the folder of an unquantised run over the same samples."""
    for folder, run in runs.items():
        if run.baseline:
            return folder
    first, like = next(iter(runs.items()))
    for folder, run in runs_under(first.absolute().parent):
        same = (run.command, run.samples, run.arguments.get("model")) == (
            like.command,
            like.samples,
            like.arguments.get("model"),
        )
        if same and run.baseline and run.state == "finished":
            return folder
    raise FormatError(
        f"there is no unquantised run over the samples of {first}; measure one with the same "
        f"command (plena {like.command}) without a recipe, or name a run by --baseline"
    )


def _unlike(one: RunFile, other: RunFile) -> list[str]:
    if one.command != other.command:
        return ["commands"]
    return [name for name in different(one, other) if name in one.samples | other.samples]
