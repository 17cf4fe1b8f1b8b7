"""RunFolder: one run of a command that measures, as a folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import launched
from plena_cosim.ground.record import write_record
from plena_cosim.ground.write_whole import remove_scratch, write_whole
from plena_cosim.passes import Recipe
from plena_cosim.passes.recipe.load import YAML
from plena_cosim.sources import TextSourceError

from ..processes import Processes
from ..recipe_text import recipe_text
from ..record import plain, write_json
from .alone import alone
from .report import Report
from .sample_log import SampleLog
from .shared_log import SharedLog, others_of, take_over

WHAT, VERSION = "plena run", 1
RUN, RESULTS, RECIPE, REPORT = "run.json", "results.json", "recipe.toml", "report.html"
SAMPLES, ANSWERS = "samples.jsonl", "answers.jsonl"


class RunFile(BaseModel):
    """What run.json says.

    Attributes:
        what, version: say that it is one.
        command: such as "eval ppl".
        state: "running" until the results are there.
        arguments: of the command, also those that were not given.
        samples: what is measured on: runs in which this is equal have the same samples.
        key: all that the figures depend on; runs in which this is equal, too, have equal figures.
        baseline: whether nothing is quantised.
        environment: commit, versions, command line, machine, threads, seed, time of the start.
    """

    model_config = ConfigDict(frozen=True)

    what: str = WHAT
    version: int = VERSION
    command: str
    state: Literal["running", "finished"] = "running"
    arguments: dict[str, Any]
    samples: dict[str, Any]
    key: dict[str, Any]
    baseline: bool
    environment: dict[str, Any]

    @property
    def digest(self) -> str:
        """A sha256 of command, samples and key."""
        whole = json.dumps(
            [self.command, plain(self.samples), plain(self.key)], sort_keys=True, default=str
        )
        return hashlib.sha256(whole.encode()).hexdigest()

    def name(self, *parts: str) -> str:
        """Return what its folder is called: command, parts, and the beginning of the digest."""
        words = [self.command, *parts]
        plain_words = [re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-.") for word in words]
        return "-".join([*filter(None, plain_words), self.digest[:8]])


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A run that goes on, in its folder.

    Attributes:
        folder: where it is; None: nothing is written.
        file: what run.json says; None without a folder.
        samples: what has been measured, also before an interruption.
        answers: what a model has said of batches of requests, where samples consist of these.
        earlier: the results, where a run with the same key has come to its end here.
    """

    folder: Path | None
    file: RunFile | None
    samples: SampleLog
    answers: SampleLog
    earlier: dict[str, Any] | None = None

    @property
    def environment(self) -> dict[str, Any]:
        """Where the run takes place, as in run.json."""
        return {} if self.file is None else self.file.environment

    def finish(self, results: Mapping[str, Any], report: Callable[[], Report]) -> None:
        """Write results.json and report.html; run.json says afterwards that the run is finished.

        Args:
            results: values fit for JSON.
            report: makes what report.html shows.

        Raises:
            TextSourceError: the disk is full.
        """
        if self.folder is None or self.file is None:
            return
        write_json(self.folder / RESULTS, dict(results))
        write_whole(self.folder / REPORT, report().html())
        finished = self.file.model_copy(update={"state": "finished"})
        write_record(self.folder / RUN, plain(finished.model_dump()))


@contextmanager
def open_run(
    folder: Path | None,
    file: RunFile | None,
    *,
    recipe: Recipe | None = None,
    overwrite: bool = False,
    processes: Processes | None = None,
) -> Iterator[RunFolder]:
    """Make the folder of a run, or go on with the one that is there.

    Of several processes the main one does that; the others get what it knows, and their results and
    reports go nowhere.

    Args:
        folder: where the run goes; None: nothing is written.
        file: what run.json is to say; not needed without a folder.
        recipe: a copy of which goes beside it.
        overwrite: remove what a run with another key, or a finished one, has left there.
        processes: that share the run; None: it is one process's work.

    Returns:
        The run, as long as the block runs.

    Raises:
        TextSourceError: another process is at work there, it cannot be written, or it holds
            something else.
        FormatError: it holds a run with another key, and is not to be overwritten; or the command
            is for one process, and a launcher has started several.
        ProcessEndedError: another process of the run has ended.
    """
    if processes is None:
        if launched().count > 1:
            raise FormatError("this command runs on one process; start it without a launcher")
        processes = Processes()
    if not processes.main:
        with _given(processes) as run:
            yield run
        return
    if folder is None or file is None:
        samples, answers = SharedLog(None, processes), SharedLog(None, processes)
        _tell(processes, RunFolder(folder=None, file=None, samples=samples, answers=answers))
        yield RunFolder(folder=None, file=None, samples=samples, answers=answers)
        return
    _require_runs(folder)
    with _gone_if_empty(folder), alone(folder, command="plena run"):
        remove_scratch(folder)
        if overwrite:
            parts = [part for name in (SAMPLES, ANSWERS) for part in others_of(folder / name)]
            names = (RUN, RESULTS, SAMPLES, ANSWERS, RECIPE, REPORT)
            for path in (*(folder / name for name in names), *parts):
                path.unlink(missing_ok=True)
        earlier = read_run(folder) if (folder / RUN).exists() else None
        if earlier is not None and earlier.digest != file.digest:
            what = ", ".join(different(earlier, file))
            raise FormatError(
                f"{folder} holds a run of plena {earlier.command} with other settings ({what} "
                "differ); give another --out, or --overwrite"
            )
        if earlier is None:
            write_record(folder / RUN, plain(file.model_dump()))
            if recipe is not None:
                write_whole(folder / RECIPE, recipe_copy(recipe))
        done = None
        if earlier is not None and earlier.state == "finished":
            done = read_results(folder)
        for name in (SAMPLES, ANSWERS):
            with SampleLog(folder / name) as log:
                take_over(log, folder / name)
        with (
            SharedLog(folder / SAMPLES, processes) as samples,
            SharedLog(folder / ANSWERS, processes) as answers,
        ):
            run = RunFolder(
                folder=folder, file=file, samples=samples, answers=answers, earlier=done
            )
            _tell(processes, run)
            yield run


def _tell(processes: Processes, run: RunFolder) -> None:
    """Give other processes what the main one knows of a run."""
    if processes.count > 1:
        processes.told(
            {
                "folder": None if run.folder is None else str(run.folder.resolve()),
                "earlier": run.earlier,
                "samples": dict(run.samples.items()),
                "answers": dict(run.answers.items()),
            }
        )


@contextmanager
def _given(processes: Processes) -> Iterator[RunFolder]:
    """Give the run as a process that is not the main one has it."""
    known = processes.told(None)
    folder = None if known["folder"] is None else Path(known["folder"])
    places = [None if folder is None else folder / name for name in (SAMPLES, ANSWERS)]
    with (
        SharedLog(places[0], processes, known["samples"]) as samples,
        SharedLog(places[1], processes, known["answers"]) as answers,
    ):
        yield RunFolder(
            folder=folder, file=None, samples=samples, answers=answers, earlier=known["earlier"]
        )


@contextmanager
def _gone_if_empty(folder: Path) -> Iterator[None]:
    """Remove the folder of a run that has ended before its first sample."""
    was_there = folder.exists()
    try:
        yield
    except BaseException:
        begun = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if not was_there and begun <= {RUN, RECIPE, ".lock"}:
            for name in begun:
                (folder / name).unlink()
            folder.rmdir()
        raise


def different(one: RunFile, other: RunFile) -> list[str]:
    """Return the names of what differs in the keys of two runs."""
    if one.command != other.command:
        return ["commands"]
    left, right = one.samples | one.key, other.samples | other.key
    return sorted(name for name in left | right if plain(left.get(name)) != plain(right.get(name)))


def read_run(folder: Path) -> RunFile:
    """Return what the run.json of a folder says.

    Raises:
        TextSourceError: there is none, or it says something else.
    """
    path = folder / RUN
    try:
        found = RunFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TextSourceError(
            f"{folder} is not the folder of a run: cannot read {path.name} ({error.strerror}); "
            "plena report index lists those that are"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise TextSourceError(f"{path} is not of a run: {where}: {first['msg']}") from None
    if (found.what, found.version) != (WHAT, VERSION):
        raise TextSourceError(f"{path} is {found.what!r}, version {found.version}, not of a run")
    return found


def read_results(folder: Path) -> dict[str, Any]:
    """Return the results of a finished run.

    Raises:
        TextSourceError: they cannot be read.
    """
    path = folder / RESULTS
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TextSourceError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise TextSourceError(f"{path} is no JSON ({error}); measure again") from None
    return found


def recipe_copy(recipe: Recipe) -> str:
    """Return a recipe's own text, or its tables where the file is not TOML, or as it was read."""
    source = Path(recipe.source)
    try:
        content = b"" if source.suffix.lower() in YAML else source.read_bytes()
    except OSError:
        content = b""
    if recipe.sha256 and hashlib.sha256(content).hexdigest() == recipe.sha256:
        return content.decode()
    return recipe_text(recipe.tables, about=f"from {recipe.source}")


def _require_runs(folder: Path) -> None:
    """Raise TextSourceError where a folder holds what no run has written."""
    if not folder.is_dir() or (folder / RUN).exists():
        return
    foreign = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if foreign:
        raise TextSourceError(
            f"{folder} holds {foreign[0]} and is not the folder of a run; give another --out"
        )
