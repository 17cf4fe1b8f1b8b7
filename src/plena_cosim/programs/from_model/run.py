"""The work behind `plena build-model`: a model under a recipe, and its programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from plena_cosim.evaluate.load import load_model
from plena_cosim.fakequant.cast import native_dtype
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.ground.progress import Progress
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.passes.layers.device import on_device
from plena_cosim.sources import load_text

from ..errors import ProgramError
from .check import Compared, Pass, by_torch, compare
from .model_programs import ModelPrograms
from .parts import parts_of


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is built.

    Attributes:
        model: a folder, an id on the Hugging Face hub, or "demo".
        quant_config: a recipe that chooses every operation.
        machine: sizes, memories and transfers.
        layers: "3" or "2-5"; None: all, with embedding and head.
        text: whose first tokens are read.
        tokens: of the prompt.
        decode: steps after it.
        device: where a calibration runs, in the place of what the recipe says.
    """

    model: str
    quant_config: Path
    machine: Machine
    layers: str | None = None
    text: str = "demo"
    tokens: int = 5
    decode: int = 1
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Programs with what torch makes of their tokens.

    Attributes:
        programs: with a step for each pass.
        passes: of torch.
    """

    programs: ModelPrograms
    passes: list[Pass]

    def run(self, progress: Progress | None = None) -> list[Compared]:
        """Run the programs one after the other, and compare each with torch."""
        return compare(self.programs, self.passes, progress)


def prepare(job: Job, console: Console | None = None) -> Prepared:
    """Load, quantise, refuse or write.

    Args:
        job: what is built.
        console: where progress goes.

    Raises:
        ProgramError: what programs cannot say, or a text that is too short.
    """
    hw = job.machine.hardware
    dtype = native_dtype(hw.vector_format) or torch.float32
    network, tokenizer = load_model(job.model, dtype=dtype)
    text = load_text(job.text)
    ids = tokenizer(text[: 64 * (job.tokens + 16)])["input_ids"][: job.tokens]
    if len(ids) < job.tokens:
        raise ProgramError(
            f"--text {job.text}: {len(ids)} tokens, and {job.tokens} are to be read; give another "
            "text or fewer --tokens"
        )
    recipe: Any = on_device(load_quant_config(job.quant_config), job.device)
    with progress_bars(console or Console()) as bars:
        network, _ = quantize_module_transform_pass(
            network, recipe, numerics="exact", hw=hw, progress=bars
        )
    parts = parts_of(network, hw, layers=_range(job.layers))
    passes = by_torch(parts, ids, job.decode)
    programs = ModelPrograms(parts, job.machine, capacity=job.tokens + job.decode)
    for each in passes:
        inputs = None if parts.whole else programs.codes(each.inputs)
        programs.step(each.tokens, inputs=inputs)
    return Prepared(programs=programs, passes=passes)


def _range(layers: str | None) -> tuple[int, int] | None:
    if layers is None:
        return None
    first, _, last = layers.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise ProgramError(f"--layers: need a number or a range such as 2-5; got {layers!r}")
    return int(first), int(last or first)
