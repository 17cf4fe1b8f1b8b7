"""The work behind `plena cosim run`: a model's tokens through blocks, and what that came to."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from plena_cosim.evaluate.load import load_model, require_original
from plena_cosim.evaluate.perplexity import evaluate_perplexity
from plena_cosim.evaluate.record import describe_run, plain
from plena_cosim.fakequant.cast import native_dtype
from plena_cosim.golden import HardwareConfig
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.ground.write_whole import write_whole
from plena_cosim.passes import (
    Recipe,
    left_alone,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.saving.machine_fields import machine_to_fields
from plena_cosim.sim.verilate.model import PLAYER, BuildProfile
from plena_cosim.sim.verilate.rtl_files import RTL_DIR
from plena_cosim.sources import load_text

from . import capture as tiles
from . import report
from .capture import Capture
from .errors import CosimError, CosimMismatchError
from .machine_blocks import MachineBlocks
from .possible import require_possible
from .rtl_backend import RtlBackend
from .selection import Selection, layers_text
from .verified import Verified, rtl_key

RESULTS = "results.json"
REPORT = "report.html"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is run.

    Attributes:
        model: a folder, an id on the Hugging Face hub, or "demo".
        quant_config: a recipe.
        machine: a file of configs/hw; None: what the recipe names, else the default machine.
        selection: what runs in blocks.
        text: whose first tokens are read.
        tokens: of the prefill.
        decode: steps after it, through the cache.
        window: read so many tokens for a perplexity in the place of prefill and decode.
        max_layers: the model is cut to so many layers first; None: it is whole.
        dtype: the model's: "auto" is the vector format's own.
        clock_mhz: of the machine, for latencies.
        jobs: threads that run blocks; None: one a core.
        fresh: compare everything again, whatever is known.
        rtl_dir: where the RTL is.
        profile: how blocks are built.
        device: where a calibration runs, in the place of what the recipe says.
        cache: where demo downloads and what is known live; the user's cache directory when None.
    """

    model: str
    quant_config: Path
    machine: Path | None = None
    selection: Selection
    text: str = "demo"
    tokens: int = 32
    decode: int = 0
    window: int | None = None
    max_layers: int | None = None
    dtype: str = "auto"
    clock_mhz: float = 1000.0
    jobs: int | None = None
    fresh: bool = False
    rtl_dir: Path = RTL_DIR
    profile: BuildProfile = PLAYER
    device: str | None = None
    cache: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a model gave.

    Attributes:
        logits: of every pass.
        perplexity: of the window, if there was one.
        next_tokens: that decoding chose.
    """

    logits: list[Tensor] = field(default_factory=list)
    perplexity: dict[str, Any] | None = None
    next_tokens: list[int] = field(default_factory=list)


def run_cosim(
    job: Job, *, out: Path, console: Console | None = None, capture: Capture | None = None
) -> dict[str, Any]:
    """Run a model with operations in blocks, compare every code, and write a report.

    Args:
        job: what is run.
        out: folder of results.json and report.html, and of a difference, if there is one.
        console: where table and progress go.
        capture: is given what goes through blocks, and writes tile files of it.

    Returns:
        What results.json says; `equal` is whether everything was.

    Raises:
        CosimError, FormatError, TextSourceError: with one clear message each.
    """
    console = console or Console()
    machine = None if job.machine is None else HardwareConfig.load(job.machine)
    recipe = on_device(load_quant_config(job.quant_config), job.device)
    hw = machine or recipe.hardware or HardwareConfig()
    network, ids = _prepared(job, recipe, hw, console)
    known = None if job.fresh else Verified.open(rtl_key(job.rtl_dir), cache=job.cache)
    blocks = MachineBlocks(vlen=hw.vlen, rtl_dir=job.rtl_dir, profile=job.profile)
    if job.jobs is not None:
        blocks.jobs = job.jobs
    backend = RtlBackend(hw=hw, blocks=blocks, selection=job.selection, folder=out, verified=known)
    if capture is not None:
        backend.tap = capture.take
    began, difference = time.perf_counter(), None
    with console.status("blocks", spinner="line") as status:
        backend.progress = status.update
        try:
            with backend.running(network):
                seen = _run(network, ids, job, backend)
        except CosimMismatchError as error:
            difference, seen = str(error), Seen()
    seconds = time.perf_counter() - began
    verdict: dict[str, Any] = {"equal": False, "difference": difference}
    if difference is None:
        verdict = _against_torch(network, ids, job, seen)
    record = _record(job, recipe, hw, backend, network)
    record |= {**verdict, "seconds": seconds, "next_tokens": seen.next_tokens}
    write_whole(out / RESULTS, json.dumps(plain(record), indent=1, ensure_ascii=False) + "\n")
    write_whole(out / REPORT, report.page(record))
    report.show(record, console)
    console.print(f"report: {out / REPORT}", soft_wrap=True, highlight=False)
    if capture is not None:
        about = {key: record[key] for key in ("model", "quant_config", "machine", "rtl", "run")}
        tiles.show(capture.write(plain(about)), capture.folder, console)
    return record


def _prepared(
    job: Job, recipe: Recipe, hw: HardwareConfig, console: Console
) -> tuple[nn.Module, Tensor]:
    """Return the quantised model and the tokens that it reads."""
    wanted = job.tokens if job.window is None else job.window
    network, tokenizer = load_model(job.model, dtype=_dtype(job, hw), cache=job.cache)
    require_original(network, job.model)
    _cut(network, job.max_layers)
    text = load_text(job.text, cache=job.cache)
    ids = tokenizer(text[: 64 * (wanted + 16)], return_tensors="pt")["input_ids"][:, :wanted]
    if ids.shape[1] < wanted:
        raise CosimError(
            f"--text {job.text}: {ids.shape[1]} tokens, and {wanted} are to be read; give another "
            "text or fewer --tokens"
        )
    with progress_bars(console) as progress:
        network, _ = quantize_module_transform_pass(
            network, recipe, numerics="exact", hw=hw, progress=progress
        )
    require_possible(network, hw)
    return network, ids


def _dtype(job: Job, hw: HardwareConfig) -> torch.dtype:
    """Return the dtype of the model: the vector format's own, where there is one."""
    if job.dtype not in ("auto", "float32"):
        raise CosimError(f"--dtype: need auto or float32, got {job.dtype!r}")
    native = None if job.dtype == "float32" else native_dtype(hw.vector_format)
    return native or torch.float32


def _cut(network: Any, layers: int | None) -> None:
    """Leave only the first layers of a model."""
    if layers is None:
        return
    stacks = [
        (module, name)
        for module in network.modules()
        for name, inner in module.named_children()
        if isinstance(inner, nn.ModuleList) and len(inner) == network.config.num_hidden_layers
    ]
    if not 1 <= layers <= network.config.num_hidden_layers or not stacks:
        raise CosimError(
            f"--max-layers: need 1 … {network.config.num_hidden_layers}, the layers of this "
            f"model; got {layers}"
        )
    owner, name = stacks[0]
    setattr(owner, name, nn.ModuleList(list(getattr(owner, name))[:layers]))
    network.config.num_hidden_layers = layers
    if getattr(network.config, "layer_types", None):
        network.config.layer_types = network.config.layer_types[:layers]


@torch.no_grad()
def _run(network: Any, ids: Tensor, job: Job, backend: RtlBackend | None) -> Seen:
    """Return what a model gives: a prefill and steps of decoding, or a perplexity."""
    if job.window is not None:
        if backend is not None:
            backend.phase = "window"
        found = evaluate_perplexity(network, ids[0], seqlen=job.window)
        measured = {key: value for key, value in found.as_dict().items() if key != "seconds"}
        return Seen(perplexity=measured)
    made = network(ids, use_cache=True)
    seen = Seen(logits=[made.logits])
    for step in range(job.decode):
        if backend is not None:
            backend.phase = f"decode {step + 1}"
        chosen = made.logits[:, -1:].argmax(-1)
        seen.next_tokens.append(int(chosen))
        made = network(chosen, past_key_values=made.past_key_values, use_cache=True)
        seen.logits.append(made.logits)
    return seen


def _against_torch(network: Any, ids: Tensor, job: Job, seen: Seen) -> dict[str, Any]:
    """Return whether hardware-exact torch alone gives the same bits."""
    began = time.perf_counter()
    alone = _run(network, ids, job, None)
    same = len(alone.logits) == len(seen.logits) and all(
        _same_bits(a, b) for a, b in zip(alone.logits, seen.logits, strict=True)
    )
    found: dict[str, Any] = {
        "equal": same and alone.perplexity == seen.perplexity,
        "difference": None,
        "torch_seconds": time.perf_counter() - began,
    }
    if seen.perplexity is not None and alone.perplexity is not None:
        found |= {
            "perplexity": seen.perplexity["token_perplexity"],
            "perplexity_torch": alone.perplexity["token_perplexity"],
            "negative_log_likelihood": seen.perplexity["negative_log_likelihood"],
        }
    else:
        found["logits"] = sum(each.numel() for each in seen.logits)
    if not found["equal"]:
        found["difference"] = (
            "every operation was equal, and yet the model's results differ from those of exact "
            "torch: something outside of the operations depends on more than their results"
        )
    return found


def _same_bits(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(
        a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8)
    )


def _record(
    job: Job, recipe: Recipe, hw: HardwareConfig, backend: RtlBackend, network: nn.Module
) -> dict[str, Any]:
    """Return where the figures come from, and all of them."""
    rows = [
        {
            "module": module,
            "part": part,
            "op": op,
            "calls": row.calls,
            "known": row.known,
            "codes": row.codes,
            "mismatches": 0,
            **asdict(row.work),
            "matrix_cycles": row.matrix.cycles,
            "matrix_macs": row.matrix.macs,
            "peak": row.matrix.cycles * hw.blen**2,
        }
        for (module, part, op), row in backend.rows.items()
    ]
    in_torch = [
        {"module": module, "part": part, "op": op, "calls": calls}
        for (module, part, op), calls in backend.in_torch.items()
    ]
    dtype = str(_dtype(job, hw)).removeprefix("torch.")
    takes_sums = _dtype(job, hw) == native_dtype(hw.vector_format)
    return {
        "command": "cosim run",
        "numerics": "rtl",
        "model": job.model,
        "dtype": dtype,
        "sums": "in blocks" if takes_sums else f"in the model's dtype, {dtype}, by torch",
        "quant_config": recipe.source,
        "machine": machine_to_fields(hw),
        "machine_file": None if job.machine is None else str(job.machine),
        "ops": sorted(job.selection.ops),
        "layers": layers_text(job.selection.layers),
        "max_layers": job.max_layers,
        "text": job.text,
        "tokens": job.window or job.tokens,
        "decode": 0 if job.window else job.decode,
        "window": job.window,
        "jobs": backend.blocks.jobs,
        "clock_mhz": job.clock_mhz,
        "rtl": rtl_key(job.rtl_dir),
        "builds": backend.blocks.build_keys(),
        "rows": rows,
        "blocks": {label: asdict(work) for label, work in backend.by_block.items()},
        "in_torch": in_torch,
        "left_in_float": left_alone(network).words(),
        "run": describe_run(seed=0, config_sha256=recipe.sha256),
    }
