"""The work behind `plena eval lm`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from plena_cosim.golden import FormatError
from plena_cosim.ground.shipped import TASKS, shipped
from plena_cosim.ground.write_whole import write_whole
from plena_cosim.passes import load_quant_config
from plena_cosim.sources import TextSourceError
from plena_cosim.sources.errors import need

from ..in_rtl import RTL, InRtl, MakeInRtl, checked_rtl, rtl_record, rtl_words
from ..key import code_digest, recipe_key, versions
from ..processes import Processes
from ..recipe_text import recipe_text
from ..record import describe_run
from ..results.run_folder import RECIPE, RunFile, RunFolder, open_run
from .lm_report import lm_report, shown_figures
from .lm_samples import sample_records

_ASKED = (
    "tasks",
    "num_fewshot",
    "limit",
    "samples",
    "apply_chat_template",
    "system_instruction",
    "fewshot_as_multiturn",
    "gen_kwargs",
    "include_path",
    "seed",
)
"""Arguments that say which samples there are."""


def run_eval_lm(
    arguments: Sequence[str],
    *,
    results: Path = Path("results"),
    console: Console | None = None,
    rtl: MakeInRtl | None = None,
) -> None:
    """Run lm-eval's own command line with the model type "plena".

    lm-eval 0.4.13 knows the model types that come with it, and no others; a release that asks for
    entry points of the group `lm_eval.models` finds ours without this command.

    The run has a folder: that of --output_path, or one by its own name. lm-eval writes its files
    there, too. Interrupted, the same command goes on: answers of the model are kept batch by batch.
    Of several processes that a launcher has started each is asked about some of the documents.

    Tasks that come with this package are known besides lm-eval's and those of --include_path.

    Args:
        arguments: of `lm_eval run`; `--model plena` need not be among them.
        results: where a run without --output_path gets its folder.
        console: where the place of the report is printed.
        rtl: makes what runs blocks, for numerics=rtl.

    Raises:
        FormatError: another model type is asked for, or the folder holds another run.
        TextSourceError: lm-eval is not installed.
        ProcessEndedError: another process of several has ended.
        CosimMismatchError: RTL and exact torch differ.
    """
    processes = Processes()
    console = processes.console(console)
    need("lm_eval", extra="eval")
    model: Any = importlib.import_module(f"{__package__}.model")
    harness = need("lm_eval._cli", extra="eval").HarnessCLI()
    need("lm_eval.utils", extra="eval").setup_logging()
    args = _parsed(harness, arguments)
    if (args.model or "plena") != "plena":
        raise FormatError(
            f"plena eval lm evaluates --model plena, got {args.model!r}; use lm_eval for others"
        )
    args.model, args.log_samples = "plena", True
    in_rtl = _in_rtl(args, rtl)
    file = _run_file(args, in_rtl)
    folder = _folder(args, file, results)
    args.output_path = args.output_path or str(folder)
    args.include_path = _task_folders(args)
    recipe = (args.model_args or {}).get("recipe")
    loaded = None if recipe is None else load_quant_config(Path(recipe))
    try:
        with open_run(folder, file, recipe=loaded, processes=processes) as run:
            model.PlenaLM.default_log = run.answers
            if rtl is not None:
                model.PlenaLM.default_rtl = partial(rtl, folder=folder)
            if done := len(run.answers):
                console.print(f"goes on: {done} batches are there already", style="dim")
            started = time.time()
            harness.execute(args)
            run.answers.together()
            if processes.main:
                record = _finish(run, folder, _written(Path(args.output_path), started))
                for name, value in rtl_words(record):
                    console.print(Text(f"{name}: {value}"))
    finally:
        model.PlenaLM.default_log = model.PlenaLM.default_rtl = None
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True)


def _parsed(harness: Any, arguments: Sequence[str]) -> argparse.Namespace:
    """Return what lm-eval's own parser makes of arguments; its complaints are its own, too."""
    before = sys.argv
    sys.argv = ["lm_eval", "run", *arguments]
    try:
        found: argparse.Namespace = harness.parse_args()
    finally:
        sys.argv = before
    return found


def _task_folders(args: argparse.Namespace) -> list[str]:
    """Return where tasks are looked for, besides lm-eval's own: the last folder wins."""
    given = args.include_path
    if not given and args.config:  # an argument would hide what the file says
        config: Any = need("lm_eval.config.evaluate_config", extra="eval").EvaluatorConfig
        given = config.load_yaml_config(args.config).get("include_path")
    folders = [shipped(Path(each)) for each in ([given] if isinstance(given, str) else given or ())]
    ours = [TASKS] if TASKS.resolve() not in [folder.resolve() for folder in folders] else []
    return [str(folder) for folder in (*ours, *folders)]


def _in_rtl(args: argparse.Namespace, make: MakeInRtl | None) -> InRtl | None:
    """Return what runs blocks, where arguments ask for that: on the CPU, also if a GPU is there."""
    options = dict(args.model_args or {})
    if options.get("numerics") != RTL:
        return None
    found = checked_rtl(RTL, make and make(options.get("ops")), device=args.device)
    args.device = "cpu"
    return found


def _run_file(args: argparse.Namespace, in_rtl: InRtl | None) -> RunFile:
    """Return what run.json says."""
    given = {key: value for key, value in vars(args).items() if not callable(value)}
    given = {key: value for key, value in given.items() if key not in ("output_path", "command")}
    options = dict(args.model_args or {})
    config = Path(args.config).read_text(encoding="utf-8") if args.config else None
    recipe = options.get("recipe")
    loaded = None if recipe is None else load_quant_config(Path(recipe))
    numerics = str(options.get("numerics", "fake"))
    samples = {key: given.get(key) for key in _ASKED}
    blocks = {}
    if in_rtl is not None:
        blocks["rtl"] = in_rtl.settings()
        free = ("jobs", "fresh")  # no figure depends on them
        given["model_args"] = {key: value for key, value in options.items() if key not in free}
    return RunFile(
        command="eval lm",
        arguments={
            **given,
            "model": options.get("pretrained"),
            "recipe": recipe,
            "numerics": numerics if recipe is not None else None,
        },
        samples=samples | {"config": config},
        key={
            **recipe_key(loaded, numerics),
            **{key: value for key, value in given.items() if key not in _ASKED},
            "code_sha256": code_digest("harness/model.py"),
            "versions": versions(),
            **blocks,
        },
        baseline=recipe is None and not _is_saved(options.get("pretrained")),
        environment=describe_run(seed=0, config_sha256=loaded.sha256 if loaded else None),
    )


def _is_saved(place: Any) -> bool:
    """Return whether a folder holds a model that was saved quantised."""
    path = Path(str(place)) / "config.json"
    if not path.is_file():
        return False
    found = json.loads(path.read_text(encoding="utf-8")).get("quantization_config") or {}
    return bool(found.get("quant_method") == "plena")


def _folder(args: argparse.Namespace, file: RunFile, results: Path) -> Path:
    """Return the folder of the run; lm-eval takes a name of a .json file, too."""
    if args.output_path:
        path = Path(args.output_path)
        return path.with_suffix("") if path.suffix == ".json" else path
    model = Path(str(file.arguments["model"])).name
    if file.baseline:
        return results / file.name(model, "unquantised")
    recipe = file.arguments["recipe"]
    return results / file.name(model, *((Path(recipe).stem,) if recipe else ()))


def _written(place: Path, started: float) -> Path:
    """Return the results that lm-eval has just written."""
    folder = place.parent if place.suffix == ".json" else place
    pattern = f"{place.stem}_*.json" if place.suffix == ".json" else "results_*.json"
    found = [path for path in folder.rglob(pattern) if path.stat().st_mtime >= started - 1]
    if not found:
        raise TextSourceError(f"lm-eval has written no results under {folder}")
    return max(found, key=lambda path: path.stat().st_mtime)


def _finish(run: RunFolder, folder: Path, written: Path) -> dict[str, Any]:
    """Write what lm-eval has found as samples, results and report of the run; return the record."""
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    date = written.stem.rpartition("_")[2]
    logs = sorted(written.parent.glob(f"*samples_*{date}.jsonl"))
    for name, record in sample_records(logs):
        if run.samples.get(name) != record:
            run.samples.add(name, record)
    how = found["config"].get("plena") or {}
    if how.get("recipe_tables") and not (folder / RECIPE).exists():
        write_whole(folder / RECIPE, recipe_text(how["recipe_tables"]))
    record = {"shown": shown_figures(found), "lm_eval": found, "run": run.environment}
    if "rtl" in how:
        record["rtl"] = rtl_record(how["rtl"], run.answers)
    run.finish(record, lambda: lm_report(record, run))
    return record
