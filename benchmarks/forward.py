"""Run the demo model under every recipe of configs/quant, in turn with the model as it is.

    python benchmarks/forward.py [--tokens 512] [--rounds 3] [--threads 1] [--json FILE]

One forward of one sequence. After the model as it is come its twins, round after round, so that a
noisy machine is noisy for all; the fastest round counts. Times are given as multiples of the
unquantised model's, memory as multiples of its parameters and buffers.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from plena_cosim.evaluate import load_model
from plena_cosim.evaluate.record import describe_run, write_json
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.sources import load_text, tokenize

RECIPES = sorted((Path(__file__).parent.parent / "configs" / "quant").glob("*.toml"))


def seconds(model: nn.Module, ids: torch.Tensor) -> float:
    """Return the time of one forward."""
    began = time.perf_counter()
    with torch.no_grad():
        model(ids)
    return time.perf_counter() - began


def size(model: nn.Module) -> int:
    """Return the bytes of parameters and buffers, each counted once."""
    tensors = {id(t): t for t in [*model.parameters(), *model.buffers()]}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def main() -> None:
    """Measure, print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=Path("results/bench/forward.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    console = Console()
    base, tokenizer = load_model("demo")
    ids = tokenize(tokenizer, load_text("demo"), limit=given.tokens)[None]
    table = Table(title=f"forward of {given.tokens} tokens, {given.threads} threads")
    for header in ("recipe", "fake", "exact", "memory (fake)", "memory (exact)"):
        table.add_column(header, justify="left" if header == "recipe" else "right")
    rows = []
    with progress_bars(console) as progress:
        for done, path in enumerate(RECIPES):
            progress("forward", done, len(RECIPES))
            row: dict[str, object] = {"recipe": path.name}
            for numerics in ("fake", "exact"):
                twin = copy.deepcopy(base)
                quantize_module_transform_pass(twin, load_quant_config(path), numerics=numerics)
                for model in (base, twin):
                    seconds(model, ids)
                times = [(seconds(base, ids), seconds(twin, ids)) for _ in range(given.rounds)]
                row[numerics] = min(t for _, t in times) / min(t for t, _ in times)
                row[f"{numerics}_memory"] = size(twin) / size(base)
            rows.append(row)
            table.add_row(
                path.stem,
                *(f"{row[key]:.2f}" for key in ("fake", "exact", "fake_memory", "exact_memory")),
            )
        progress("forward", len(RECIPES), len(RECIPES))
    console.print(table)
    write_json(given.json, {"rows": rows, "run": describe_run(seed=0, config_sha256=None)})


if __name__ == "__main__":
    main()
