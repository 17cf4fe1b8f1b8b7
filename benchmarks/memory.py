"""Peak memory of operations and of whole models, each in a process of its own (Linux)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plena_cosim.ground.progress import Progress

from .effort import Effort
from .part import Goal, Part, Row
from .timing import Spread

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = (
    "copy",
    "fakequant.quantize, mxint8",
    "fakequant.quantize, mxfp4_e2m1",
    "golden.quantize, mxint8",
    "matmul, mxint8",
    "matmul, mxfp8_e4m3",
    "softmax",
    "rms_norm",
    "hadamard, blocks of 64",
)
MODELS: tuple[tuple[str, str, str, float | None], ...] = (
    ("llama_w4a4_mxint", "fake", "values", None),
    ("llama_w4a4_mxint", "exact", "values", None),
    ("llama_w4a4_mxint", "exact", "codes", 1.1),
    ("llama_full_mxint8", "exact", "values", None),
    ("llama_full_mxint8", "exact", "codes", 1.1),
    ("llama_phases_mxint", "exact", "values", None),
    ("llama_phases_mxint", "exact", "codes", 1.3),
)
"""Recipes, numerics and what is kept of the demo model, loaded in bfloat16; goal of its memory."""

TOKENS = 128


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return rows of operations and, in full, of models."""
    steps = len(OPERATIONS) + (len(MODELS) if effort.full else 0)
    rows = []
    for done, name in enumerate(OPERATIONS if effort.full else OPERATIONS[:2]):
        progress("memory", done, steps)
        found = _ask("operation", name, 4096 if effort.full else 512)
        rows.append(
            Row(
                what=name,
                against="its input",
                figure=Spread.of([found["peak"] / found["input"]]),
                note=f"{found['peak'] / 1e6:.0f} MB beside {found['input'] / 1e6:.0f} MB",
            )
        )
    for done, (recipe, numerics, kept, goal) in enumerate(MODELS if effort.full else ()):
        progress("memory", len(OPERATIONS) + done, steps)
        found = _ask("model", recipe, f"{numerics} {kept}")
        rows.append(
            Row(
                what=f"weights of the demo model, {recipe}, {numerics}, kept as {kept}",
                against="in bfloat16",
                figure=Spread.of([found["quantized"] / found["plain"]]),
                goal=None if goal is None else Goal(at_most=goal),
                note=f"a forward of {TOKENS} tokens takes {found['seconds']:.1f} s, and "
                f"{found['peak'] / 1e6:.0f} MB over the weights",
            )
        )
    progress("memory", steps, steps)
    return rows


def _ask(kind: str, *given: Any) -> dict[str, float]:
    """Return what a new process says of one operation or model."""
    command = [sys.executable, "-m", "benchmarks.memory", kind, *map(str, given)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def weigh_operation(name: str, edge: int) -> dict[str, float]:
    """Return bytes of input, and how far one call takes the process over what it held before.

    Args:
        name: of OPERATIONS.
        edge: rows and columns of its input.
    """
    import torch

    x = torch.randn(edge, edge, generator=torch.Generator().manual_seed(0))
    call = _operation(name, x)
    call(x[:64])  # tables, kernels
    return {"input": x.numel() * x.element_size(), "peak": peak_of(lambda: call(x))}


def _operation(name: str, x: Any) -> Callable[[Any], object]:
    import torch

    from plena_cosim import fakequant, golden
    from plena_cosim.fakequant import MxTensor, quantize_mx

    what, _, rest = name.partition(", ")
    if what == "copy":
        return lambda t: t.clone()
    if what == "fakequant.quantize":
        return lambda t: fakequant.quantize(t, rest)
    if what == "golden.quantize":
        return lambda t: golden.quantize(t.numpy(), rest)
    if what == "matmul":
        right: MxTensor = quantize_mx(x[:, :256], rest, 0)
        hw = golden.HardwareConfig()
        return lambda t: fakequant.matmul(quantize_mx(t, rest), right, hw)
    x.copy_(fakequant.cast(x, "bf16"))
    if what == "softmax":
        return lambda t: fakequant.softmax(t, 1, "bf16", "fp32", lanes=64)
    if what == "rms_norm":
        ones = torch.ones(x.shape[-1])
        return lambda t: fakequant.rms_norm(t, ones, 2.0**-17, "bf16", "fp32", lanes=64)
    return lambda t: fakequant.hadamard(t, "bf16", block=64)


def weigh_model(recipe: str, how: str) -> dict[str, float]:
    """Return bytes of parameters and buffers before and after quantising; a forward's peak, time.

    Args:
        recipe: the stem of a file of configs/quant.
        how: numerics, and whether values or codes are kept.
    """
    import torch

    from plena_cosim.evaluate import load_model
    from plena_cosim.passes import (
        keep_packed,
        load_quant_config,
        quantize_module_transform_pass,
    )

    numerics, kept = how.split()

    model, _ = load_model("demo")
    model = model.to(torch.bfloat16)
    plain = _bytes(model)
    path = ROOT / "configs" / "quant" / f"{recipe}.toml"
    quantize_module_transform_pass(model, load_quant_config(path), numerics=numerics)
    if kept == "codes":
        keep_packed(model)
    ids = torch.arange(TOKENS)[None]

    def run() -> None:
        with torch.no_grad():
            model(ids)

    peak = peak_of(run)
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    return {"plain": plain, "quantized": _bytes(model), "peak": peak, "seconds": seconds}


def _bytes(model: Any) -> int:
    """Return the bytes of parameters and buffers, each counted once."""
    tensors = {id(t): t for t in [*model.parameters(), *model.buffers()]}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def peak_of(work: Callable[[], object]) -> float:
    """Return by how many bytes a call takes this process over what it held before (Linux)."""
    before = _status("VmRSS")
    # The high-water mark begins anew at what is held now: proc(5), /proc/pid/clear_refs.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    work()
    return float(_status("VmHWM") - before)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def _main(kind: str, name: str, more: str) -> None:
    for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(pool, "1")
    found = weigh_operation(name, int(more)) if kind == "operation" else weigh_model(name, more)
    print(json.dumps(found))


PART = Part(
    name="memory",
    about="What one call takes beside what was there before it, 4096 × 4096 values of float32.",
    minutes=2,
    measure=measure,
)

if __name__ == "__main__":
    _main(*sys.argv[1:])
