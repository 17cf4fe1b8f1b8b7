"""write_run: the folder of a command that keeps its own account of what it has done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plena_cosim.ground.record import write_record
from plena_cosim.ground.write_whole import write_whole
from plena_cosim.passes import Recipe

from ..record import plain, write_json
from .report import Report
from .run_folder import RECIPE, REPORT, RESULTS, RUN, SAMPLES, RunFile, recipe_copy


def write_run(
    folder: Path,
    *,
    command: str,
    arguments: Mapping[str, Any],
    results: Mapping[str, Any],
    report: Report,
    recipes: Mapping[str, Recipe],
    samples: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write all files of a finished run: run.json, results, samples, recipes, report.

    Args:
        folder: where they go; other files in it stay.
        command: such as "ladder".
        arguments: of the command.
        results: values fit for JSON; `run` in them is the environment.
        report: what report.html shows.
        recipes: by name; a single one is recipe.toml, several are recipes/NAME.toml.
        samples: by name.

    Raises:
        TextSourceError: the disk is full or not writable.
    """
    for name, recipe in recipes.items():
        place = RECIPE if len(recipes) == 1 else f"recipes/{name}.toml"
        write_whole(folder / place, recipe_copy(recipe))
    if samples is not None:
        lines = [
            json.dumps(plain({"sample": name, **record}), ensure_ascii=False)
            for name, record in samples.items()
        ]
        write_whole(folder / SAMPLES, "".join(f"{line}\n" for line in lines))
    write_json(folder / RESULTS, dict(results))
    write_whole(folder / REPORT, report.html())
    file = RunFile(
        command=command,
        state="finished",
        arguments=dict(arguments),
        samples={},
        key={},
        baseline=False,
        environment=dict(results["run"]),
    )
    write_record(folder / RUN, plain(file.model_dump()))
