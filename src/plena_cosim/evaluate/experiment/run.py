"""The work behind `plena quantize --spec`: an experiment file in, a folder with the model out."""

from __future__ import annotations

import fnmatch
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.destination import require_folder
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.interop.tao import Experiment, experiment_recipe, read_experiment
from plena_cosim.interop.tao.section import NATIVE, activation_dtype
from plena_cosim.passes import (
    LeftAlone,
    export_dequantized,
    left_alone,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.numerics_used import numerics_used
from plena_cosim.passes.recipe.ranges_table import RangesTable
from plena_cosim.passes.recipe.recipe import Recipe
from plena_cosim.sources import TextSourceError

from ..left_table import print_left
from ..quantize import replacing, require_free, sweep
from ..record import describe_run, write_json
from .images import image_files, image_samples
from .network import Network, Task, load_network, task_of

RECORD, SUMMARY = "plena.json", "summary.txt"
_WIDTH = 120


def run_quantize_experiment(
    *,
    spec: Path,
    model: str | None = None,
    calibration: str | None = None,
    calibration_images: int = 128,
    results_dir: Path | None = None,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    dequantized: bool = False,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Quantise a model as an experiment file says, and save it whole or not at all.

    Args:
        spec: an experiment file of NVIDIA TAO.
        model: a folder, an id on the Hugging Face hub, or "demo"; None: the file's model_path.
        calibration: a folder of images, of a language model the name of a text; None: what the
            file says.
        calibration_images: so many images of the folder at most.
        results_dir: the folder to make; None: the file's results_dir.
        numerics, hardware, device, dequantized, overwrite, cache: as of `run_quantize`.
        console: where the tables go.

    Returns:
        What plena.json holds.

    Raises:
        FormatError, TextSourceError, DestinationError: with one clear message each; results_dir is
            as it was then.
    """
    console = console or Console()
    experiment = read_experiment(spec)
    recipe = on_device(experiment_recipe(experiment), device)
    machine = HardwareConfig.load(hardware) if hardware is not None else None
    name = model or experiment.section.model_path
    if not name:
        raise FormatError(f"experiment file {spec}: there is no model_path; add it, or --model")
    out = results_dir or Path(experiment.section.results_dir)
    if out == Path():
        raise FormatError(
            f"experiment file {spec}: there is no results_dir; add it, or --results-dir"
        )
    require_folder(out, given_as="results_dir")
    sweep(out)
    require_free(out, overwrite=overwrite, given_as="--results-dir")
    task = task_of(name, cache=cache)
    recipe, folders = _calibrated(experiment, recipe, task, calibration)
    files, count = image_files(folders, most=calibration_images) if folders else ([], 0)
    network = load_network(name, task, cache=cache)
    if files and network.prepare is None:
        raise TextSourceError(
            f"model {name!r} has no image processor (preprocessor_config.json), which calibration "
            "images need; save it into the folder"
        )
    samples = image_samples(files, network.prepare) if files else None
    notes = [*recipe.notes, *_unused(experiment, network.model)]
    if calibration is not None and recipe.ranges is None and not files:
        notes.append("only weights are quantised, so that --calibration is not read")
    with progress_bars(console) as progress:
        made, info = quantize_module_transform_pass(
            network.model,
            recipe,
            numerics=numerics,
            hw=machine,
            samples=samples,
            progress=progress,
        )
    left = left_alone(made)
    record = {
        "model": name,
        "task": task.value,
        "spec": str(spec),
        "quantize": experiment.section.model_dump(),
        "numerics": numerics,
        "formats": numerics_used(recipe),
        "calibration": {
            "folders": [str(folder) for folder in folders],
            "images": [str(file) for file in files],
            "of": count,
            "text": None if recipe.ranges is None else recipe.ranges.dataset,
        },
        "notes": notes,
        "dequantized": dequantized,
        "run": describe_run(seed=0, config_sha256=experiment.sha256),
        "modules": {module: entry.as_dict() for module, entry in info.items()},
        "left_alone": left.as_dict(),
    }
    with replacing(out) as folder:
        _save(made, network, folder, dequantized=dequantized)
        (folder / spec.name).write_bytes(experiment.raw)
        write_json(folder / RECORD, record)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        text = io.StringIO()
        _show(record, out, left, size, Console(file=text, width=_WIDTH))
        (folder / SUMMARY).write_text(text.getvalue(), encoding="utf-8")
    _show(record, out, left, size, console)
    return record


def _calibrated(
    experiment: Experiment, recipe: Recipe, task: Task, given: str | None
) -> tuple[Recipe, tuple[Path, ...]]:
    """Return the recipe with its calibration text, and the folders of calibration images.

    Raises:
        FormatError: activations are quantised, and nothing says by which data.
    """
    section, path = experiment.section, experiment.path
    if all(activation_dtype(section, layer) == NATIVE for layer in section.layers):
        return replace(recipe, ranges=None), ()
    if task is Task.LANGUAGE:
        if given is not None:
            table = RangesTable.model_validate({"dataset": given})
            recipe = replace(recipe, ranges=table.with_data_of(None))
        if recipe.ranges is None:
            raise FormatError(
                f"experiment file {path}: activations need calibration text; give --calibration, "
                "such as wikitext2, or a section ranges"
            )
        return recipe, ()
    folders = (Path(given),) if given is not None else experiment.images
    if not folders:
        raise FormatError(
            f"experiment file {path}: activations need calibration images; give --calibration, or "
            "dataset with quant_calibration_dataset.images_dir, val_dataset.images_dir or "
            "val_data_sources.image_dir"
        )
    return recipe, folders


def _unused(experiment: Experiment, model: nn.Module) -> list[str]:
    """Return a line for each of skip_names that matches no module."""
    known = {name for name, _ in model.named_modules()}
    known |= {type(module).__name__ for module in model.modules()}
    return [
        f"experiment file {experiment.path} [quantize]: skip_names: {pattern!r} matches no module "
        "of the model"
        for pattern in experiment.section.skip_names
        if not any(fnmatch.fnmatchcase(name, pattern) for name in known)
    ]


def _save(model: Any, network: Network, folder: Path, *, dequantized: bool) -> None:
    if dequantized:
        export_dequantized(model, folder)
    else:
        model.save_pretrained(folder)
    if network.prepare is not None:
        network.prepare.save_pretrained(folder)


def _show(record: dict[str, Any], out: Path, left: LeftAlone, size: int, console: Console) -> None:
    console.print(_table(record, out, left.words(), size))
    print_left(left, console)
    for note in record["notes"]:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _table(record: dict[str, Any], out: Path, left: str, size: int) -> Table:
    section, data = record["quantize"], record["calibration"]
    table = Table(title=str(out))
    table.add_column("")
    table.add_column("", justify="right", overflow="fold")
    table.add_row("experiment", record["spec"])
    table.add_row("model", f"{record['model']} ({record['task']})")
    table.add_row("backend", f"{section['backend']}, {section['mode']}")
    if data["images"]:
        table.add_row("calibration", f"{len(data['images'])} of {data['of']} images")
    elif data["text"]:
        table.add_row("calibration", f"text {data['text']}")
    for formats, modules in _by_format(record["modules"]).items():
        table.add_row(formats, f"{modules} {'module' if modules == 1 else 'modules'}")
    table.add_row("left in float", left)
    table.add_row("size of the weights", f"{size / 1e6:.1f} MB")
    return table


def _by_format(modules: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return how many modules have which formats."""
    counts: dict[str, int] = {}
    for entry in modules.values():
        roles = [f"{role} {entry[role]}" for role in ("weight", "data_in") if entry.get(role)]
        words = ", ".join(roles)
        counts[words] = counts.get(words, 0) + 1
    return counts
