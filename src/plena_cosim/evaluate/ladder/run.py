"""The work behind `plena ladder`: a model under one recipe after another, a process each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.ground.shipped import shipped
from plena_cosim.passes import load_quant_config
from plena_cosim.sources import TextSourceError, load_text, text_digest, tokenize
from plena_cosim.sources.demo_model import CAVEAT

from ..key import code_digest, model_digest, recipe_key, tokens_digest, versions
from ..load import load_model, require_original
from ..record import describe_run
from ..results.alone import alone
from . import table as ladder_table
from .child import StepError, measure_step
from .manifest import Step, choose, comparable, read_ladder
from .picture import draw_ladder
from .report import write_ladder_run
from .row import Place, Row, place
from .store import read_rows, read_shown, write_rows

_CODE = ("load.py", "perplexity.py", "ladder/step.py")
ON_FROM = "* an earlier run's checkpoints or search were there: the calibration went on from them"


@dataclass(frozen=True, kw_only=True)
class Work:
    """A row to measure or to keep.

    Attributes:
        step, numerics: which.
        key: what it depends on; None where `error` is why that is not known.
        error: the recipe cannot be read.
    """

    step: Step
    numerics: str
    key: dict[str, Any] | None
    error: str | None = None


def run_ladder(
    *,
    model: str = "demo",
    recipes: Path = Path("configs/quant/ladder"),
    text: str = "demo",
    limit: int | None = 12288,
    seqlen: int = 512,
    out: Path = Path("results/ladder"),
    only: Sequence[str] = (),
    exact: Sequence[str] = (),
    threads: int | None = None,
    device: str | None = None,
    cache: Path | None = None,
    console: Console | None = None,
) -> bool:
    """Measure fp32 and each recipe of a folder; print, draw and record the table.

    Rows that ladder.json in `out` holds with the same key are not measured again.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        recipes: a folder of recipes, with or without a ladder.toml.
        text: a UTF-8 file, or a name that `load_text` knows, such as "demo".
        limit: read only the first `limit` tokens; all when None.
        seqlen: tokens in a window.
        out: folder of ladder.json, ladder.png and logs/.
        only: names of steps; the others are left out, fp32 excepted.
        exact: names of steps that are measured with exact numerics, too.
        threads: of torch, in each step's process; torch's own choice when None.
        device: where calibration and search run, in the place of what the recipes say.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        Whether every row was measured.

    Raises:
        FormatError, TextSourceError: with one clear message each; what is wrong with one recipe is
            a failed row instead.
    """
    console = console or Console()
    recipes = shipped(recipes)
    steps = comparable(
        read_ladder(recipes), recipes, model=model, text=text, limit=limit, seqlen=seqlen
    )
    chosen = choose(steps, only=only, exact=exact)
    threads = threads or torch.get_num_threads()
    with console.status("model and text"):
        shared = _shared(model, text, limit=limit, seqlen=seqlen, threads=threads, cache=cache)
        shared["device"] = device
    works = [
        _work(shared, step, kind)
        for step in chosen
        for kind in (("fake",) if step.recipe is None else step.numerics)
    ]
    head = {
        "model": model,
        "text": text,
        **shared,
        "caveat": CAVEAT if model == "demo" else None,
        "steps": [step.name for step in chosen],
        "run": describe_run(seed=0, config_sha256=None),
    }
    with alone(out, command="plena ladder"):
        kept, complaint = read_rows(out / "ladder.json")
        if complaint is not None:
            console.print(complaint, style="yellow", soft_wrap=True, markup=False)
        request = {
            "model": model,
            "text": text,
            "limit": limit,
            "seqlen": seqlen,
            "threads": threads,
            "device": device,
            "cache": str(cache) if cache is not None else None,
        }
        record = _Record(out=out, head=head, steps=steps, works=works, kept=kept)
        with_reference = any(step.reference is not None for step in steps)
        ladder_table.print_head(console, with_reference=with_reference)
        for work in works:
            row = record.find(work)
            was_there = row is not None
            row = row or _measured(work, request, out, console)
            record.add(row)
            ladder_table.print_row(
                console,
                row,
                work.step,
                record.place(row),
                kept=was_there,
                with_reference=with_reference,
            )
    if any(ladder_table.mark(row) for row in record.rows):
        console.print(ON_FROM, style="dim")
    if head["caveat"] is not None:
        console.print(head["caveat"], style="dim")
    title = f"{model}: {shared['limit'] or 'all'} tokens of {text} in windows of {seqlen}"
    draw_ladder(out / "ladder.png", record.rows, steps, title=title, caveat=head["caveat"])
    write_ladder_run(out, record.rows, steps, record.places(), head=head, title=title)
    console.print(
        f"written: {out / 'ladder.json'}, {out / 'ladder.png'}, {out / 'report.html'}",
        soft_wrap=True,
    )
    return all(row.error is None for row in record.rows)


def ladder_markdown(*, recipes: Path, out: Path) -> str:
    """Return the table that the last run left in `out`, in Markdown.

    Raises:
        FormatError, TextSourceError: there is no ladder.json, or it does not fit the recipes.
    """
    recipes = shipped(recipes)
    found = read_shown(out / "ladder.json")
    steps = comparable(
        read_ladder(recipes),
        recipes,
        model=found.model,
        text=found.text,
        limit=found.limit,
        seqlen=found.seqlen,
    )
    rows = found.rows
    named = {step.name: step for step in steps}
    if unknown := [row.step for row in rows if row.step not in named]:
        raise FormatError(f"{out / 'ladder.json'} has a step {unknown[0]!r} that {recipes} has not")
    lines = [
        ladder_table.markdown_row(row, named[row.step], place(row, named[row.step], rows, steps))
        for row in rows
    ]
    return "\n".join([ladder_table.markdown_head(), *lines])


class _Record:
    """The rows of a run, which ladder.json has as soon as they are there."""

    def __init__(
        self,
        *,
        out: Path,
        head: dict[str, Any],
        steps: list[Step],
        works: list[Work],
        kept: list[Row],
    ) -> None:
        self.path, self.head, self.steps = out / "ladder.json", head, steps
        self.kept = kept
        self.rows = [row for work in works if (row := self.find(work)) is not None]
        self.order = [(work.step.name, work.numerics) for work in works]

    def find(self, work: Work) -> Row | None:
        """Return the row of an earlier run that need not be measured again."""
        for row in self.kept:
            same = (row.step, row.numerics) == (work.step.name, work.numerics)
            if same and row.measured is not None and row.key == work.key:
                return row
        return None

    def add(self, row: Row) -> None:
        """Put a row in its place and write ladder.json."""
        self.rows = [row, *(other for other in self.rows if _name(other) != _name(row))]
        self.rows.sort(key=lambda other: self.order.index(_name(other)))
        taken = {_name(other) for other in self.rows if other.measured is not None}
        earlier = [old for old in self.kept if old.measured and _name(old) not in taken]
        write_rows(self.path, self.head, [self._shown(other) for other in self.rows], earlier)

    def place(self, row: Row) -> Place:
        """Compare a row with those that are there."""
        return place(row, self._step(row), self.rows, self.steps)

    def places(self) -> list[Place]:
        """Compare each row with those that are there."""
        return [self.place(row) for row in self.rows]

    def _step(self, row: Row) -> Step:
        return next(step for step in self.steps if step.name == row.step)

    def _shown(self, row: Row) -> dict[str, Any]:
        step = self._step(row)
        added = {
            "title": step.title,
            "recipe": str(step.recipe) if step.recipe is not None else None,
            "after": step.after,
            "reference": step.reference,
        }
        return {**row.model_dump(), **added, **asdict(self.place(row))}


def _name(row: Row) -> tuple[str, str]:
    return row.step, row.numerics


def _shared(
    model: str, text: str, *, limit: int | None, seqlen: int, threads: int, cache: Path | None
) -> dict[str, Any]:
    """Return what the keys of all rows have in common."""
    words = load_text(text, cache=cache)
    network, tokenizer = load_model(model, cache=cache)
    require_original(network, model)
    return {
        "model_sha256": model_digest(network),
        "text_sha256": text_digest(words),
        "tokens_sha256": tokens_digest(tokenize(tokenizer, words, limit=limit)),
        "limit": limit,
        "seqlen": seqlen,
        "threads": threads,
        "code_sha256": code_digest(*_CODE),
        "versions": versions(),
    }


def _work(shared: dict[str, Any], step: Step, numerics: str) -> Work:
    try:
        recipe = load_quant_config(step.recipe) if step.recipe is not None else None
        key = shared | recipe_key(recipe, numerics)
    except (FormatError, TextSourceError) as error:
        line = f"{type(error).__name__}: {error}"
        return Work(step=step, numerics=numerics, key=None, error=line)
    return Work(step=step, numerics=numerics, key=key)


def _measured(work: Work, request: dict[str, Any], out: Path, console: Console) -> Row:
    """Measure a row, or return it with the reason why that failed."""
    row = Row(step=work.step.name, numerics=work.numerics, key=work.key or {}, error=work.error)
    if work.error is not None:
        return row
    recipe = str(work.step.recipe) if work.step.recipe is not None else None
    label = work.step.name if recipe is None else f"{work.step.name} {work.numerics}"
    log = out / "logs" / f"{label.replace(' ', '-')}.log"
    asked = {**request, "recipe": recipe, "numerics": work.numerics}
    try:
        with progress_bars(console) as progress:
            progress(f"{label}: starting", 0, 1)

            def show(what: str, done: int, total: int) -> None:
                progress(f"{label}: {what}", done, total)

            return row.model_copy(update={"measured": measure_step(asked, log=log, show=show)})
    except StepError as error:
        return row.model_copy(update={"error": str(error)})
