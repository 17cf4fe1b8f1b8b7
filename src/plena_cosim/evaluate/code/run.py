"""The work behind `plena eval code`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import launched
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.layers.device import on_device
from plena_cosim.sandbox.at_hand import best
from plena_cosim.sandbox.errors import SandboxError
from plena_cosim.sandbox.limits import Limits
from plena_cosim.sandbox.method import Method

from ..left_table import print_left
from ..place import place_of
from ..ppl_report import how, subject_facts, subject_tables, warnings_of
from ..processes import Processes
from ..results.report import Report, ReportTable
from ..results.run_folder import RunFolder, open_run
from ..subject import Subject, add_rows
from .problem import Problem, problems_digest
from .problems import load_problems
from .samples import BASE, measure_code
from .write import Sampling

_SHOWN = 20
"""Samples of a report, each with its program."""


def run_eval_code(
    *,
    model: str,
    dataset: str,
    quant_config: Path | None = None,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    samples: int = 1,
    ks: Sequence[int] = (1,),
    sampling: Sampling | None = None,
    limits: Limits | None = None,
    limit: int | None = None,
    unsafe: bool = False,
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure pass@k of programs that a model completes, print a table, and return the record.

    Of several processes that a launcher has started each makes some of the samples; the main one
    alone prints and writes. The figures are the same.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        dataset: "humaneval", "mbpp" or a file; see `load_problems`.
        quant_config: a recipe; without one the model runs as it is.
        numerics: "fake" or "exact"; a model that was saved quantised keeps its own.
        hardware: a machine of configs/hw for exact numerics.
        device: where the model is measured, and calibrated in the place of what the recipe says;
            None: on the CPU, or on a GPU for each of several processes.
        samples: completions of each problem.
        ks: for which pass@k is wanted.
        sampling: how tokens are chosen; the most likely ones when None.
        limits: what a program may use; those of `Limits` when None.
        limit: only the first problems.
        unsafe: run programs without a sandbox where nothing isolates them.
        out: the folder of the run.
        results: where the run gets a folder by its own name; without either nothing is kept.
        overwrite: measure again what the folder holds.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        The record.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
        SandboxError: nothing here isolates programs.
        ProcessEndedError: another process of several has ended.
    """
    processes = Processes()
    console = processes.console(console)
    sampling, limits = sampling or Sampling(), limits or Limits()
    _check(samples, ks, sampling)
    method = _method(unsafe)
    device = place_of(device, launched())
    recipe = None
    if quant_config is not None:
        recipe = on_device(load_quant_config(quant_config), device)
    problems = load_problems(dataset)[:limit]
    subject = Subject.load(
        model,
        recipe,
        numerics=numerics,
        hardware=hardware,
        device=device,
        seed=sampling.seed,
        cache=cache,
    )
    settings = {"samples": samples, **asdict(sampling)}
    file = None
    if processes.main and (out is not None or results is not None):
        file = subject.run_file(
            "eval code",
            samples={"problems_sha256": problems_digest(problems), "samples": samples},
            key={"sampling": asdict(sampling), "limits": asdict(limits), "ks": list(ks)},
            arguments={"dataset": dataset, "limit": limit, "isolated_by": method.value, **settings},
            code=tuple(
                f"code/{name}.py" for name in ("judge", "problem", "problems", "samples", "write")
            ),
        )
    folder = subject.folder(out, results, file)
    with open_run(
        folder, file, recipe=subject.used, overwrite=overwrite, processes=processes
    ) as run:
        if run.earlier is not None:
            record = run.earlier
            _show(record, console)
            console.print(
                f"measured at {record['run']['time']}; --overwrite measures again", style="dim"
            )
        else:
            subject.quantise(console)
            if done := len(run.samples):
                console.print(f"goes on: {done} samples are there already", style="dim")
            with progress_bars(console) as progress:
                result = measure_code(
                    subject.network,
                    subject.tokenizer,
                    problems,
                    samples=samples,
                    ks=ks,
                    sampling=sampling,
                    limits=limits,
                    method=method,
                    log=run.samples,
                    progress=progress,
                )
            record = {
                "dataset": dataset,
                "isolated_by": method.value,
                "settings": settings,
                "result": result.as_dict(),
                "shown": [list(row) for row in result.rows()],
                **subject.record(),
            }
            _show(record, console)
            if subject.left is not None:
                print_left(subject.left, console)
            run.finish(record, lambda: _report(record, run, subject, problems))
    if folder is not None:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


def _check(samples: int, ks: Sequence[int], sampling: Sampling) -> None:
    """Refuse figures that the samples cannot give."""
    if not ks or not all(1 <= k <= samples for k in ks):
        raise FormatError(
            f"pass@k needs k samples of each problem; k is {', '.join(map(str, ks)) or 'missing'}, "
            f"samples {samples}; give --samples {max(ks, default=1)} or more"
        )
    if samples > 1 and sampling.temperature == 0:
        raise FormatError(
            f"{samples} samples at temperature 0 are all the same; give --temperature, such as 0.8"
        )


def _method(unsafe: bool) -> Method:
    """Return what isolates programs; with `unsafe` nothing may."""
    try:
        return best()
    except SandboxError:
        if unsafe:
            return Method.NONE
        raise


def _show(record: Mapping[str, Any], console: Console) -> None:
    """Print a record's table."""
    table = Table(title=f"{record['model']} on {record['dataset']}")
    table.add_column("")
    table.add_column("", justify="right")
    add_rows(table, dict(record))
    for name, value in record["shown"]:
        table.add_row(name, value)
    for name, count in list(record["result"]["why"].items())[:5]:
        table.add_row("ended by", Text(f"{name}: {count}"))
    table.add_row("programs isolated by", record["isolated_by"])
    table.add_row("seconds", f"{record['result']['seconds']:.1f}")
    console.print(table)
    if record["isolated_by"] == Method.NONE.value:
        console.print("programs of the model ran without a sandbox", style="bold red")
    if "caveat" in record:
        console.print(record["caveat"], style="dim")


def _report(
    record: Mapping[str, Any], run: RunFolder, subject: Subject, problems: Sequence[Problem]
) -> Report:
    figures = [(name, value) for name, value in record["shown"] if "pass@" in name]
    others = [(name, value) for name, value in record["shown"] if "pass@" not in name]
    settings = [(name.replace("_", " "), str(each)) for name, each in record["settings"].items()]
    right = record["result"]["right"]
    texts = [
        (
            name,
            f"{each['scores'][BASE]:.0f}",
            each["written"]["why"],
            each["written"]["completion"],
        )
        for name, each in list(run.samples.items())[:_SHOWN]
    ]
    return Report(
        title=f"Programs of {subject.model} on {record['dataset']}: {how(record)}",
        headline=figures,
        warnings=warnings_of(record, subject),
        facts=[
            ("problems", record["dataset"]),
            *others,
            *settings,
            *subject_facts(record),
            ("programs isolated by", record["isolated_by"]),
            ("seconds", f"{record['result']['seconds']:.1f}"),
        ],
        parts=[
            ReportTable(
                caption="Right samples of each problem",
                header=("problem", "right"),
                rows=[(each.name, str(right[each.name])) for each in problems],
                numbers=(1,),
            ),
            ReportTable(
                caption="The first samples",
                header=("sample", "right", "ended by", "completion"),
                rows=texts,
                note="all of them are in samples.jsonl",
            ),
            *subject_tables(subject),
        ],
        recipe=subject.recipe_text(),
        environment=run.environment,
    )
