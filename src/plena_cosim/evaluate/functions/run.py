"""The work behind `plena eval functions`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.ground.record import environment
from plena_cosim.sources import TextSourceError

from ..chat.asked import Asked, Place, asked
from ..chat.client import Asking, ChatClient, Reply
from ..chat.tool_calls import NotCallsError, calls_of_message
from ..record import plain
from ..results.report import Report, ReportTable
from ..results.run_folder import RunFile, RunFolder, open_run
from .decode import calls_of_text
from .prompt import Wording, as_text, as_tools
from .questions import Question, named_categories, read_questions, wheel_place
from .rules import fault_of

COMMAND = "eval functions"


class Style(StrEnum):
    """How functions are offered."""

    TEXT = "text"
    TOOLS = "tools"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked.

    Attributes:
        questions: in the order of their categories.
        wording: BFCL's.
        style: how functions are offered.
        asking: how the model is to write.
    """

    questions: Sequence[Question]
    wording: Wording
    style: Style
    asking: Asking

    def answer(self, client: ChatClient, question: Question) -> dict[str, Any]:
        """Ask one question, and return what is kept of it."""
        names: dict[str, str] = {}
        if self.style is Style.TEXT:
            reply = client.ask(as_text(question, self.wording), self.asking)
        else:
            messages, tools, names = as_tools(question, self.wording)
            reply = client.ask(messages, self.asking, tools=tools)
        calls, unread = self._calls(reply, names)
        fault = fault_of(question, calls)
        if fault is not None and unread is not None:
            fault = f"{fault}: {unread}"
        found = {
            "category": question.category,
            "scores": {"correct": int(fault is None)},
            "fault": fault,
            "message": reply.message,
            "calls": calls,
            "finish_reason": reply.finish_reason,
            "tokens": reply.tokens,
        }
        kept: dict[str, Any] = plain(found)
        return kept

    def _calls(self, reply: Reply, names: dict[str, str]) -> tuple[list[Any] | None, str | None]:
        try:
            if self.style is Style.TEXT:
                return calls_of_text(reply.text), None
            return calls_of_message(reply.message, names), None
        except NotCallsError as error:
            return None, str(error)


def run_eval_functions(
    *,
    categories: Sequence[str] = ("simple",),
    place: Place | None = None,
    style: Style = Style.TEXT,
    asking: Asking | None = None,
    parallel: int = 4,
    limit: int | None = None,
    data: Path | None = None,
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Ask BFCL's questions, judge the answers by its rules, print a table, return the record.

    Args:
        categories: names of BFCL's, "simple" or "all".
        place: where the model is asked; None: the demo model, served for this.
        style: whether functions are described in the system message, or are tools.
        asking: how the model is to write.
        parallel: questions that are asked at a time.
        limit: of each category, only so many.
        data: the wheel of bfcl-eval; None: from PyPI, kept in the cache.
        out, results, overwrite: as of other evaluations.
        cache: the user's cache directory when None.
        console: where the table goes.

    Returns:
        The record.

    Raises:
        FormatError, TextSourceError: with one clear message each.
    """
    console = console or Console()
    names = named_categories(categories)
    wheel = wheel_place(data, cache=cache)
    task = Task(
        questions=[each for name in names for each in read_questions(wheel, name)[:limit]],
        wording=Wording.of_wheel(wheel),
        style=style,
        asking=asking or Asking(),
    )
    with asked(place or Place()) as model:
        file = _run_file(task, model, wheel, names, limit)
        folder = out
        if folder is None and results is not None:
            folder = results / file.name(Path(model.client.model).name)
        with open_run(folder, file, overwrite=overwrite) as run:
            if run.earlier is not None:
                record = run.earlier
                _show(record, console)
                console.print(
                    f"measured at {record['run']['time']}; --overwrite measures again", style="dim"
                )
            else:
                _ask(task, model.client, run, parallel, console)
                record = {
                    "model": model.client.model,
                    "how": model.words(),
                    "recipe": model.arguments["recipe"],
                    "style": style.value,
                    "asking": asdict(task.asking),
                    "categories": _figures(task, run),
                    "run": run.environment or environment(("plena-cosim",)),
                }
                _show(record, console)
                run.finish(record, lambda: _report(record, run))
    if folder is not None:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


def _run_file(
    task: Task, model: Asked, wheel: Path, names: Sequence[str], limit: int | None
) -> RunFile:
    how = {"style": task.style.value, **asdict(task.asking)}
    chosen = {"categories": list(names), "limit": limit}
    return RunFile(
        command=COMMAND,
        arguments={**model.arguments, **chosen, **how},
        samples={"questions_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), **chosen},
        key={**model.key, **how},
        baseline=model.unquantised,
        environment=environment(("plena-cosim",)),
    )


def _ask(task: Task, client: ChatClient, run: RunFolder, parallel: int, console: Console) -> None:
    """Ask what has not been answered yet, some questions at a time."""
    left = [each for each in task.questions if run.samples.get(each.name) is None]
    if done := len(task.questions) - len(left):
        console.print(f"goes on: {done} answers are there already", style="dim")
    with progress_bars(console) as progress, ThreadPoolExecutor(parallel) as pool:
        progress("asking", done, len(task.questions))
        futures = {pool.submit(task.answer, client, each): each for each in left}
        try:
            for future in as_completed(futures):
                run.samples.add(futures[future].name, future.result())
                done += 1
                progress("asking", done, len(task.questions))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    run.samples.together([each.name for each in task.questions])


def _figures(task: Task, run: RunFolder) -> list[dict[str, Any]]:
    """Return accuracy by category, with its standard error, and over all questions."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for question in task.questions:
        record = run.samples.get(question.name)
        if record is None:
            raise TextSourceError(f"{question.name} has no answer")
        groups.setdefault(question.category, []).append(record)
        groups.setdefault("all", []).append(record)
    groups["all"] = groups.pop("all")  # behind the others
    found = []
    for name, records in groups.items():
        count = len(records)
        right = sum(each["scores"]["correct"] for each in records)
        share = right / count
        error = (share * (1 - share) / (count - 1)) ** 0.5 if count > 1 else None
        called = sum(bool(each["calls"]) for each in records)
        found.append(
            {
                "category": name,
                "questions": count,
                "right": right,
                "accuracy": share,
                "stderr": error,
                "called": called,
                "cut_off": sum(each["finish_reason"] == "length" for each in records),
            }
        )
    return found


_HEADER = ("category", "questions", "right", "accuracy", "±", "called", "cut off")


def _rows(record: dict[str, Any]) -> list[list[str]]:
    return [
        [
            each["category"],
            str(each["questions"]),
            str(each["right"]),
            f"{each['accuracy']:.3f}",
            "-" if each["stderr"] is None else f"{each['stderr']:.3f}",
            str(each["called"]),
            str(each["cut_off"]),
        ]
        for each in record["categories"]
    ]


def _show(record: dict[str, Any], console: Console) -> None:
    table = Table(title=f"Calls of functions by {record['model']} ({record['how']})")
    for name in _HEADER:
        table.add_column(name, justify="left" if name == "category" else "right")
    for row in _rows(record):
        table.add_row(*row)
    console.print(table)


def _report(record: dict[str, Any], run: RunFolder) -> Report:
    wrong = [
        [
            name,
            each["fault"] or "",
            str(each["message"].get("content") or each["calls"] or "")[:200],
        ]
        for name, each in run.samples.items()
        if each["fault"] is not None
    ]
    last = record["categories"][-1]
    return Report(
        title=f"Calls of functions by {record['model']}: {record['how']}",
        headline=[("right", f"{last['accuracy']:.3f}"), ("questions", str(last["questions"]))],
        facts=[
            ("questions", "BFCL v4"),
            ("functions", "in the system message" if record["style"] == "text" else "as tools"),
            *((name.replace("_", " "), str(value)) for name, value in record["asking"].items()),
        ],
        parts=[
            ReportTable(
                caption="By category",
                header=_HEADER,
                rows=_rows(record),
                numbers=range(1, len(_HEADER)),
                note="±: standard error. called: answers with a call. cut off: at max tokens",
            ),
            ReportTable(
                caption="Wrong answers",
                header=("question", "what is wrong", "answer"),
                rows=wrong[:100],
                note=f"{len(wrong)} answers are wrong; all are in samples.jsonl",
            ),
        ],
        recipe=record["recipe"],
        environment=run.environment,
    )
