"""Subject: a model under a recipe, as a command that measures is given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import (
    LeftAlone,
    ModuleInfo,
    Recipe,
    keep_packed,
    left_alone,
    quantize_module_transform_pass,
)
from plena_cosim.passes.recipe.numerics_used import numerics_used, numerics_words
from plena_cosim.passes.saving.machine_fields import machine_to_fields
from plena_cosim.sources.demo_model import CAVEAT

from .in_rtl import RTL, InRtl, require_exact, rtl_words
from .key import code_digest, model_digest, recipe_key, versions
from .load import load_model, require_original
from .record import describe_run, rotation_of
from .results.run_folder import RunFile, recipe_copy


@dataclass(kw_only=True)
class Subject:
    """What is measured.

    Attributes:
        model: the name that was given.
        recipe: what is to quantise it; None: it runs as it is, or as it was saved.
        numerics: "fake", "exact" or "rtl"; a saved quantised model has its own.
        machine: of exact numerics, before the one that the recipe names.
        device: where it is measured, and calibrated in the place of what the recipe says.
        seed: of torch.
        network, tokenizer: the model; `quantise` changes it.
        rtl: runs operations in blocks; None: torch computes.
        packed: quantised weights are kept as codes, which give their values whenever they are read.
        info: what became of each module.
    """

    model: str
    recipe: Recipe | None
    numerics: str
    machine: HardwareConfig | None
    device: str | None
    seed: int
    network: Any
    tokenizer: Any
    rtl: InRtl | None = None
    packed: bool = False
    info: dict[str, ModuleInfo] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        model: str,
        recipe: Recipe | None,
        *,
        numerics: str,
        hardware: Path | None = None,
        device: str | None = None,
        seed: int = 0,
        cache: Path | None = None,
        rtl: InRtl | None = None,
        packed: bool = False,
        loader: Callable[..., tuple[Any, Any]] = load_model,
    ) -> Subject:
        """Load a model; it is not quantised yet.

        Args:
            model: a folder, an id on the Hugging Face hub, or "demo".
            recipe: what is to quantise it.
            numerics: "fake" or "exact", or "rtl" with `rtl`.
            hardware: a machine of configs/hw, for exact numerics.
            device: where it is measured, and calibrated in the place of what the recipe says; None:
                on the CPU, and where the recipe says.
            seed: of torch.
            cache: where demo downloads live; the user's cache directory when None.
            rtl: runs operations in blocks.
            packed: keep weights as codes.
            loader: takes the name and `cache`, and returns model and tokenizer.

        Returns:
            The model with what is to become of it.

        Raises:
            FormatError, TextSourceError: with one clear message each.
        """
        machine = HardwareConfig.load(hardware) if hardware is not None else None
        torch.manual_seed(seed)
        network, tokenizer = loader(model, cache=cache)
        if recipe is not None:
            require_original(network, model)
        saved: Any = getattr(network, "plena_config", None)
        if rtl is not None and recipe is None:
            require_exact(network, model)
        return cls(
            model=model,
            recipe=recipe,
            numerics=numerics if saved is None or rtl is not None else saved.numerics,
            machine=machine,
            device=device,
            seed=seed,
            network=network,
            tokenizer=tokenizer,
            rtl=rtl,
            packed=packed,
        )

    @property
    def saved(self) -> Any:
        """The configuration of a model that was saved quantised; None for others."""
        return getattr(self.network, "plena_config", None) if self.recipe is None else None

    @property
    def used(self) -> Recipe | None:
        """The recipe that is given, or that of a saved model."""
        found: Recipe | None = self.recipe if self.saved is None else self.saved.pass_args()
        return found

    @property
    def source(self) -> str | None:
        """What the recipe is called; None where nothing is quantised."""
        if self.recipe is not None:
            return self.recipe.source
        return None if self.saved is None else str(self.saved.source)

    @property
    def left(self) -> LeftAlone | None:
        """What stayed in float; None where nothing is quantised."""
        return None if self.source is None else left_alone(self.network)

    def quantise(self, console: Console) -> None:
        """Quantise the model, show how far a calibration is, and bring it where it is measured."""
        if self.recipe is not None:
            self._pass(self.recipe, console)
        if self.packed and not keep_packed(self.network):
            raise FormatError(
                f"--keep-packed: {self.model} has no quantised weights; give --quant-config or a "
                "model that was saved quantised"
            )
        if self.rtl is not None:
            require_exact(self.network, self.model)
            self.rtl.require_possible(self.network)
        if self.device is not None:
            self.network.to(self.device)

    @property
    def _quantised_by(self) -> str:
        """The numerics of the pass."""
        return "exact" if self.numerics == RTL else self.numerics

    def _pass(self, recipe: Recipe, console: Console) -> None:
        with progress_bars(console) as progress:
            self.network, self.info = quantize_module_transform_pass(
                self.network,
                recipe,
                numerics=self._quantised_by,
                hw=self.machine,
                progress=progress,
            )

    def run_file(
        self,
        command: str,
        *,
        samples: dict[str, Any],
        key: dict[str, Any],
        arguments: dict[str, Any],
        code: tuple[str, ...],
    ) -> RunFile:
        """Return what run.json says, before anything is measured.

        Args:
            command: such as "eval ppl".
            samples: what is measured on.
            key: what figures depend on, besides the model and how it is quantised.
            arguments: of the command, besides those of the subject.
            code: files of `evaluate` that figures come out of.
        """
        machine = None if self.machine is None else machine_to_fields(self.machine)
        return RunFile(
            command=command,
            arguments={
                "model": self.model,
                "recipe": self.source,
                "numerics": self.numerics if self.source is not None else None,
                "machine": machine,
                "device": self.device,
                **arguments,
            },
            samples=samples,
            key={
                "model_sha256": model_digest(self.network),
                **recipe_key(self.recipe, self.numerics),
                "machine": machine,
                "device": self.device,
                "seed": self.seed,
                "threads": torch.get_num_threads(),
                "code_sha256": code_digest("load.py", "subject.py", *code),
                "versions": versions(),
                **({} if self.rtl is None else {"rtl": self.rtl.settings()}),
                **key,
            },
            baseline=self.source is None,
            environment=self.environment(),
        )

    def folder(self, out: Path | None, results: Path | None, file: RunFile | None) -> Path | None:
        """Return the folder of a run: as given, or by a name of its own.

        Args:
            out: that was given.
            results: where folders by their own names lie.
            file: of the run.
        """
        if out is not None or results is None or file is None:
            return out
        name = Path(self.model).name
        if self.source is None:
            return results / file.name(name, "unquantised")
        return results / file.name(name, Path(self.source).stem, self.numerics)

    def environment(self) -> dict[str, Any]:
        """Return commit, versions, hash of the recipe, seed, command, threads and time."""
        return describe_run(
            seed=self.seed, config_sha256=self.recipe.sha256 if self.recipe else None
        )

    def record(self) -> dict[str, Any]:
        """Return how the model was quantised, for a JSON record."""
        formats = None
        if self.used is not None and (self.saved is not None or self.used.changes_anything):
            formats = numerics_used(self.used)
        left = self.left
        record = {
            "model": self.model,
            "quant_config": self.source,
            "numerics": self.numerics if self.source is not None else None,
            "formats": formats,
            "rotation": rotation_of(self.network, self.info, self._quantised_by),
            "run": self.environment(),
            "modules": {name: entry.as_dict() for name, entry in self.info.items()},
            "modules_replaced": "as saved" if self.saved is not None else str(len(self.info)),
            "left_alone": None if left is None else left.as_dict(),
            "left_in_float": None if left is None else left.words(),
        }
        if self.model == "demo":
            record["caveat"] = CAVEAT
        return record

    def recipe_text(self) -> str | None:
        """Return the recipe as a report shows it."""
        return None if self.used is None else recipe_copy(self.used)


def add_rows(table: Table, record: dict[str, Any]) -> None:
    """Add to a table of two columns how a model was quantised.

    Args:
        table: that is printed.
        record: from `Subject.record`.
    """
    source = record["quant_config"]
    table.add_row("recipe", "none (fp32)" if source is None else f"{source} ({record['numerics']})")
    if record["formats"] is not None:
        table.add_row("numerics", numerics_words(record["formats"]))
    table.add_row("modules replaced", record["modules_replaced"])
    for name, value in rtl_words(record):
        table.add_row(name, value)
    if record["left_in_float"] is not None:
        table.add_row("left in float", record["left_in_float"])
