"""Measure PLENA's own steps of the ladder on the text that `plena ladder` reads.

    python benchmarks/ladder_reference.py [--limit 12288] [--threads 2] [--json FILE]

PLENA's software is Mase (github.com/DeepWok/mase, commit 253cc55), which is not on PyPI. What it
computes is stated here once more, in the plainest form, so that both sides of docs/ladder.md have
the same model, text and bits. Its quantiser is the recipe profile "mase". Its GPTQ takes inputs
that are not quantised, rounds a block of columns at a time, feeds errors forward to later blocks
only, and picks each block's clipping out of eleven quantiles by the error of that block alone.
Errors of outputs are taken from the Hessian here, which gives the same choice as its products with
all activations in a fraction of the time. Its rotations have `dequant` semantics; they are taken in
powers of two here and for all matmuls, where Mase searches.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from plena_cosim.evaluate.load import load_model
from plena_cosim.evaluate.perplexity import evaluate_perplexity
from plena_cosim.evaluate.record import describe_run, write_json
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.layers.evaluating import evaluating
from plena_cosim.passes.layers.run import run_all
from plena_cosim.passes.layers.stream import capture
from plena_cosim.passes.recipe.calibration_tables import QUANTILES
from plena_cosim.sources import calibration_set, load_text, tokenize

BLOCK, WIDTH, DAMP = 32, 4, 0.01
GROUPS = (
    ("self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj"),
    ("self_attn.o_proj",),
    ("mlp.up_proj", "mlp.gate_proj"),
    ("mlp.down_proj",),
)
LINEAR = r"model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
ATTENTION = r"model\.layers\.\d+\.self_attn"
ROTATED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "kv_cache")


def rounded(x: Tensor, largest: Tensor) -> Tensor:
    """Return x rounded to MXINT4 with the scale that Mase takes for a largest magnitude."""
    fraction, exponent = torch.frexp(largest)
    exponent = exponent - (fraction == 0.5).int()  # ceil(log2)
    unit = torch.ldexp(torch.ones_like(largest), exponent - (WIDTH - 1))
    low, high = -(2 ** (WIDTH - 1)), 2 ** (WIDTH - 1) - 1
    return (x / unit).round().clamp(low, high) * unit


def clipped(block: Tensor, hessian: Tensor) -> Tensor:
    """Return (rows, elements) rounded with the quantile that errs least in the block's output."""
    points = torch.tensor(QUANTILES)
    largest = torch.quantile(block.abs(), points, dim=1).unsqueeze(-1)
    tried = rounded(block, largest.clamp_min(torch.finfo(torch.float32).tiny))
    error = tried - block
    best = ((error @ hessian) * error).sum(-1).argmin(0)
    return tried[best, torch.arange(len(block))]


def gptq(weight: Tensor, hessian: Tensor) -> Tensor:
    """Return a weight (rows, n) quantised block after block, errors fed forward to later blocks."""
    left, found = weight.clone(), torch.empty_like(weight)
    h = hessian.clone()
    h.diagonal().add_(DAMP * h.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(h))
    factor = torch.linalg.cholesky(inverse, upper=True)
    for start in range(0, weight.shape[1], BLOCK):
        here, later = slice(start, start + BLOCK), slice(start + BLOCK, None)
        block = left[:, here].clone()
        found[:, here] = clipped(block, hessian[here, here])
        error = (block - found[:, here]) / factor[here, here].diagonal()
        left[:, later] -= error @ factor[here, later]
    return found


@contextmanager
def second_moment(module: nn.Module, n: int) -> Iterator[Tensor]:
    """Sum x xᵀ over all that a linear layer is given."""
    total = torch.zeros(n, n)

    def add(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0].flatten(0, -2).float()
        total.addmm_(x.T, x)

    hook = module.register_forward_pre_hook(add)
    try:
        yield total
    finally:
        hook.remove()


@torch.no_grad()
def calibrate(model: Any, tokens: Tensor) -> None:
    """Replace the weights of all linear layers of a Llama by Mase's, in place."""
    stream = capture(model, list(model.model.layers), tokens, 8)
    hidden = stream.hidden
    for layer, arguments in zip(stream.layers, stream.arguments, strict=True):
        for group in GROUPS:
            modules = [layer.get_submodule(name) for name in group]
            with second_moment(modules[-1], modules[-1].weight.shape[1]) as hessian:
                run_all(layer, hidden, arguments)
            for module in modules:
                module.weight.copy_(gptq(module.weight, hessian))
        hidden = run_all(layer, hidden, arguments)


def recipe(width: int, *, weights: bool, inputs: bool, rotate: bool = False) -> dict[str, Any]:
    """Return a recipe with Mase's quantiser: blocks of 32, scales by its rule, full range."""
    linear: dict[str, Any] = {"name": "mxint"}
    narrow = {"data_in_block_size": BLOCK, "data_in_width": width}
    if weights:
        linear |= {"weight_block_size": BLOCK, "weight_width": width}
    tables: dict[str, Any] = {"numerics": {"profile": "mase"}}
    if inputs:
        linear |= narrow
        tables[ATTENTION] = {"name": "mxint", "kv_cache": narrow}
    if rotate:
        tables["rotation"] = {"online": list(ROTATED), "semantics": "dequant"}
    return {**tables, LINEAR: linear}


def main() -> None:
    """Measure, print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=12288)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=Path("results/bench/ladder_reference.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    console = Console()
    table = Table("step", "token ppl", "× fp32", title="PLENA's definitions on our text")
    model, tokenizer = load_model("demo")
    tokens = tokenize(tokenizer, load_text("demo"), limit=given.limit)
    samples = calibration_set("demo", tokenizer, nsamples=32, seqlen=512, seed=0).tokens
    found: dict[str, float] = {}

    def measure(name: str, network: Any, args: dict[str, Any] | None) -> None:
        network = copy.deepcopy(network)
        if args is not None:
            network, _ = quantize_module_transform_pass(network, args)
        found[name] = evaluate_perplexity(network, tokens).token_perplexity
        table.add_row(name, f"{found[name]:.2f}", f"{found[name] / found['fp32']:.3f}")

    measure("fp32", model, None)
    measure("W8A8KV8", model, recipe(8, weights=True, inputs=True))
    measure("W4A16, round to nearest", model, recipe(4, weights=True, inputs=False))
    measure("A: W4A4KV4, round to nearest", model, recipe(4, weights=True, inputs=True))
    began = time.perf_counter()
    with evaluating(model):
        calibrate(model, samples)
    seconds = time.perf_counter() - began
    measure("W4A16 + GPTQ, clip searches", model, None)
    measure("B: A + GPTQ, clip searches", model, recipe(4, weights=False, inputs=True))
    measure("C: B, rotated", model, recipe(4, weights=False, inputs=True, rotate=True))
    console.print(table)
    console.print(f"GPTQ took {seconds:.0f} s")
    record = {"token_perplexity": found, "gptq_seconds": seconds}
    write_json(given.json, record | {"run": describe_run(seed=0, config_sha256=None)})
    console.print(f"record: {given.json}")


if __name__ == "__main__":
    main()
