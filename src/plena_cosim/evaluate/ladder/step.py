"""The process of one step of the ladder: python -m plena_cosim.evaluate.ladder.step.

A request comes as one line of JSON on standard input; messages go out the same way: {"show": [what,
done, total]}, and at the end {"measured": …} or {"error": "one line"}. The process ends when its
standard input does.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import torch

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.lifeline import end_with_stdin
from plena_cosim.passes import (
    ModuleInfo,
    Recipe,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.sources import load_text, tokenize

from ..load import load_model
from ..perplexity import evaluate_perplexity
from ..record import describe_run, rotation_of

Send = Callable[[dict[str, Any]], None]


def measure(request: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Quantise a model by a recipe, measure its perplexity, and return the fields of Measurement.

    Args:
        request: model, text, recipe (a path or None), numerics, limit, seqlen, threads,
            device, cache.
        send: takes messages of progress.
    """

    def show(what: str, done: int, total: int) -> None:
        send({"show": [what, done, total]})

    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    cache = Path(request["cache"]) if request["cache"] else None
    recipe = load_quant_config(request["recipe"]) if request["recipe"] else None
    network, tokenizer = load_model(request["model"], cache=cache)
    info: dict[str, ModuleInfo] = {}
    found = kept_calibration(recipe)
    start = time.perf_counter()
    if recipe is not None:
        send({"show": ["quantising", 0, 1]})
        network, info = quantize_module_transform_pass(
            network,
            recipe,
            numerics=request["numerics"],
            device=request["device"],
            progress=show,
        )
    seconds = time.perf_counter() - start if recipe is not None else 0.0
    result = evaluate_perplexity(
        network,
        tokenize(tokenizer, load_text(request["text"], cache=cache), limit=request["limit"]),
        seqlen=request["seqlen"],
        decode=tokenizer.decode,
        progress=show,
    )
    elements = sum(entry.parameters for entry in info.values())
    bits = sum(entry.parameters * entry.bits_per_weight for entry in info.values())
    return {
        "weights": _formats(info, lambda entry: entry.weight),
        "activations": _formats(info, lambda entry: entry.data_in),
        "kv_cache": _formats(info, lambda entry: (entry.inside or {}).get("kv_cache")),
        "modules": len(info),
        "rotations": _rotations(info),
        "bits_per_weight": bits / elements if elements else 32.0,
        "token_perplexity": result.token_perplexity,
        "word_perplexity": result.word_perplexity,
        "tokens": result.tokens,
        "windows": result.windows,
        "window_losses": result.window_losses,
        "calibration_seconds": seconds,
        "went_on_from": found,
        "evaluation_seconds": result.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
        "run": {
            **describe_run(seed=0, config_sha256=recipe.sha256 if recipe else None),
            "rotation": rotation_of(network, info, request["numerics"]),
        },
    }


def kept_calibration(recipe: Recipe | None) -> list[str]:
    """Return which checkpoints and caches that a recipe names are there already."""
    if recipe is None:
        return []
    named = [t.checkpoint_dir for t in (recipe.distill, recipe.gptq) if t is not None]
    named += [recipe.rotation_search.cache_path] if recipe.rotation_search is not None else []
    paths = [Path(name) for name in named if name]
    return [
        str(path) for path in paths if (any(path.iterdir()) if path.is_dir() else path.exists())
    ]


def peak_memory_bytes() -> int:
    """Return the largest resident memory that this process has had.

    Linux counts what the parent had before exec into ru_maxrss, but not into VmHWM.
    """
    try:
        status = Path("/proc/self/status").read_text()
        kibibytes = status.split("VmHWM:")[1].split()[0]
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(kibibytes) * 1024


def _formats(
    info: Mapping[str, ModuleInfo], pick: Callable[[ModuleInfo], str | None]
) -> str | None:
    """Return the names that `pick` finds, those of most parameters first."""
    counts: Counter[str] = Counter()
    for entry in info.values():
        name = pick(entry)
        if name is not None:
            counts[name] += entry.parameters or 1
    return " + ".join(name for name, _ in counts.most_common()) or None


def _rotations(info: Mapping[str, ModuleInfo]) -> dict[str, int]:
    """Return in how many places each matmul type is rotated online."""
    counts: Counter[str] = Counter()
    for name, entry in info.items():
        counts.update(list(entry.rotated_inside or ()))
        if entry.rotation is not None:
            counts[name.rpartition(".")[2]] += 1
    return dict(counts)


def main() -> int:
    """Answer one request; see the head of this file."""
    answers = _take_stdout()

    def send(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=answers, flush=True)

    end_with_stdin()
    request = json.loads(sys.stdin.readline())
    try:
        send({"measured": measure(request, send)})
    except Exception as error:
        if not isinstance(error, PlenaError):
            traceback.print_exc()
        line = " ".join(str(error).split())
        send({"error": f"{type(error).__name__}: {line}"})
        return 1
    return 0


def _take_stdout() -> TextIO:
    """Return standard output, and let whatever libraries print go to standard error."""
    kept = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return kept


if __name__ == "__main__":
    raise SystemExit(main())
