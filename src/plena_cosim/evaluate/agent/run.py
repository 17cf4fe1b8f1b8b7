"""The work behind `plena eval agent`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.ground.record import environment

from ..chat.asked import Asked, Place, asked
from ..chat.client import Asking
from ..results.report import Report, ReportTable
from ..results.run_folder import RunFile, RunFolder, open_run
from .solve import Bounds, solve
from .task import AgentTask, read_tasks

COMMAND = "eval agent"


def run_eval_agent(
    *,
    tasks: Path,
    place: Place | None = None,
    asking: Asking | None = None,
    bounds: Bounds | None = None,
    parallel: int = 1,
    limit: int | None = None,
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> dict[str, Any]:
    """Let a model work on tasks with files and a shell, print a table, return the record.

    Args:
        tasks: a file of tasks, JSON, one a line.
        place: where the model is asked; None: the demo model, served for this.
        asking: how the model is to write.
        bounds: how far a task may go.
        parallel: tasks that are worked on at a time.
        limit: the first so many tasks.
        out, results, overwrite: as of other evaluations.
        console: where the table goes.

    Returns:
        The record.

    Raises:
        FormatError, TextSourceError, SandboxError: with one clear message each.
    """
    console = console or Console()
    asking, bounds = asking or Asking(), bounds or Bounds()
    given = read_tasks(tasks)[:limit]
    with asked(place or Place()) as model:
        file = _run_file(tasks, limit, model, asking, bounds)
        folder = out
        if folder is None and results is not None:
            folder = results / file.name(Path(model.client.model).name, tasks.stem)
        with open_run(folder, file, overwrite=overwrite) as run:
            if run.earlier is not None:
                record = run.earlier
                _show(record, console)
                console.print(
                    f"measured at {record['run']['time']}; --overwrite measures again", style="dim"
                )
            else:
                _work(given, model, run, asking, bounds, parallel, console)
                record = {
                    "model": model.client.model,
                    "how": model.words(),
                    "recipe": model.arguments["recipe"],
                    "tasks": str(tasks),
                    "asking": asdict(asking),
                    "bounds": asdict(bounds),
                    **_figures(given, run),
                    "run": run.environment or environment(("plena-cosim",)),
                }
                _show(record, console)
                run.finish(record, lambda: _report(record, run))
    if folder is not None:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


def _run_file(
    tasks: Path, limit: int | None, model: Asked, asking: Asking, bounds: Bounds
) -> RunFile:
    how = {**asdict(asking), **asdict(bounds)}
    return RunFile(
        command=COMMAND,
        arguments={**model.arguments, "tasks": str(tasks), "limit": limit, **how},
        samples={"tasks_sha256": hashlib.sha256(tasks.read_bytes()).hexdigest(), "limit": limit},
        key={**model.key, **how},
        baseline=model.unquantised,
        environment=environment(("plena-cosim",)),
    )


def _work(
    tasks: Sequence[AgentTask],
    model: Asked,
    run: RunFolder,
    asking: Asking,
    bounds: Bounds,
    parallel: int,
    console: Console,
) -> None:
    """Work on what is not done yet, some tasks at a time."""
    left = [task for task in tasks if run.samples.get(task.id) is None]
    if done := len(tasks) - len(left):
        console.print(f"goes on: {done} tasks are there already", style="dim")
    with progress_bars(console) as progress, ThreadPoolExecutor(parallel) as pool:
        progress("tasks", done, len(tasks))
        futures = {pool.submit(solve, task, model.client, asking, bounds): task for task in left}
        try:
            for future in as_completed(futures):
                solved = asdict(future.result())
                success = solved.pop("success")
                run.samples.add(futures[future].id, {"scores": {"success": int(success)}, **solved})
                done += 1
                progress("tasks", done, len(tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    run.samples.together([task.id for task in tasks])


def _figures(tasks: Sequence[AgentTask], run: RunFolder) -> dict[str, Any]:
    rows = []
    for task in tasks:
        record = run.samples.get(task.id) or {}
        rows.append(
            {
                "task": task.id,
                "success": record["scores"]["success"],
                "ended": record["ended"],
                "steps": len(record["steps"]),
                "tokens": record["tokens"],
                "why": record["why"],
            }
        )
    count = len(rows)
    share = sum(each["success"] for each in rows) / count
    error = (share * (1 - share) / (count - 1)) ** 0.5 if count > 1 else None
    return {"solved": rows, "success": share, "stderr": error}


_HEADER = ("task", "success", "ended", "steps", "tokens", "what is missing")


def _rows(record: dict[str, Any]) -> list[list[str]]:
    return [
        [
            each["task"],
            "yes" if each["success"] else "no",
            each["ended"],
            str(each["steps"]),
            str(each["tokens"]),
            each["why"] or "",
        ]
        for each in record["solved"]
    ]


def _show(record: dict[str, Any], console: Console) -> None:
    table = Table(title=f"Tasks of {record['tasks']} by {record['model']} ({record['how']})")
    for name in _HEADER:
        table.add_column(name, justify="right" if name in ("steps", "tokens") else "left")
    for row in _rows(record):
        table.add_row(*row)
    console.print(table)
    error = "" if record["stderr"] is None else f" ± {record['stderr']:.3f}"
    console.print(f"success: {record['success']:.3f}{error}")


def _report(record: dict[str, Any], run: RunFolder) -> Report:
    talk = [
        [name, str(number), message["role"], _text(message)]
        for name, each in run.samples.items()
        for number, step in enumerate(each["steps"], start=1)
        for message in step
    ]
    return Report(
        title=f"Tasks of {record['tasks']} by {record['model']}: {record['how']}",
        headline=[("success", f"{record['success']:.3f}"), ("tasks", str(len(record["solved"])))],
        facts=[
            (name.replace("_", " "), str(value))
            for name, value in {**record["asking"], **record["bounds"]}.items()
        ],
        parts=[
            ReportTable(caption="Tasks", header=_HEADER, rows=_rows(record), numbers=(3, 4)),
            ReportTable(
                caption="What was said",
                header=("task", "step", "who", "what"),
                rows=talk[:300],
                numbers=(1,),
                note=f"{len(talk)} messages; all are in samples.jsonl",
            ),
        ],
        recipe=record["recipe"],
        environment=run.environment,
    )


def _text(message: dict[str, Any]) -> str:
    calls = [
        f"{call['function']['name']}({call['function']['arguments']})"
        for call in message.get("tool_calls", ())
    ]
    return " ".join([message.get("content") or "", *calls])[:500]
