"""The torch half of `plena demo`: equivalence on real data, then the perplexity table."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from plena_cosim import golden
from plena_cosim.ground.progress import renamed
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import Numerics, Recipe, load_quant_config, quantize_module_transform_pass
from plena_cosim.sources import load_text, text_digest, tokenize
from plena_cosim.sources.demo_model import CAVEAT

from ..load import load_model
from ..perplexity import evaluate_perplexity
from ..record import describe_run
from ..results.write_run import write_run
from .equivalence import Comparison, capture_inputs, compare_matmul, compare_quantize
from .picture import draw
from .report import demo_report
from .row import DemoRow

RECIPES = {
    "MXINT8": "llama_w8a8_mxint.toml",
    "MXINT4": "llama_w4a4_mxint.toml",
    "MXFP4": "llama_w4a4_mxfp.toml",
}
_LAYERS = (0, 14, 29)
_MATMUL_ROWS = 16
_MATMUL_FORMATS = ("mxint8", "mxint4", "mxfp4_e2m1", "mxfp8_e4m3")


def run_demo(
    *,
    out: Path = Path("results/demo"),
    recipes: Path = Path("configs/quant"),
    tokens: int = 1536,
    seqlen: int = 512,
    cache: Path | None = None,
    console: Console | None = None,
) -> bool:
    """Compare torch with golden on the demo model, then measure its perplexity in each format.

    Args:
        out: folder of the run: report.html, results.json, perplexity.png and others.
        recipes: folder of the recipes.
        tokens: how many tokens each perplexity reads.
        seqlen: tokens in a window.
        cache: where demo downloads live; the user's cache directory when None.
        console: where tables go.

    Returns:
        Whether every comparison was equal in every bit.

    Raises:
        FormatError, TextSourceError: with one clear message each.
    """
    console = console or Console()
    loaded = {name: load_quant_config(recipes / file) for name, file in RECIPES.items()}
    with console.status("model and text (downloaded and converted on the first run: 121 MB)"):
        text = load_text("demo", cache=cache)
        model, tokenizer = load_model("demo", cache=cache)
    stream = tokenize(tokenizer, text, limit=tokens)
    with console.status("torch against golden on real weights and activations"):
        comparisons = compare(model, stream[:256])
    console.print(comparison_table(comparisons))
    rows = measure(model, tokenizer, stream, loaded, seqlen=seqlen, console=console)
    console.print(perplexity_table(rows))
    console.print(CAVEAT, style="dim")
    draw(
        out / "perplexity.png",
        [(row.name, row.numerics, row.result.token_perplexity) for row in rows[1:]],
        baseline=rows[0].result.token_perplexity,
        caveat=CAVEAT,
    )
    environment = describe_run(seed=0, config_sha256=None)
    record = {
        "model": "SmolLM2-135M-Instruct",
        "caveat": CAVEAT,
        "text_sha256": text_digest(text),
        "shown": [[f"{row.name} {row.numerics}", _two(row)] for row in rows],
        "equivalence": [entry.as_dict() for entry in comparisons],
        "perplexity": [row.as_dict() for row in rows],
        "recipes": {name: recipe.sha256 for name, recipe in loaded.items()},
        "run": environment,
    }
    write_run(
        out,
        command="demo",
        arguments={"tokens": tokens, "seqlen": seqlen},
        results=record,
        report=demo_report(comparisons, rows, loaded, environment=environment),
        recipes=loaded,
        samples={
            f"{row.name} {row.numerics} {place}": {"negative_log_likelihood": loss}
            for row in rows
            for place, loss in enumerate(row.result.window_losses)
        },
    )
    console.print(f"written: {out / 'report.html'}, {out / 'perplexity.png'}", soft_wrap=True)
    return not any(entry.mismatches for entry in comparisons)


def _two(row: DemoRow) -> str:
    return f"{row.result.token_perplexity:.2f}"


def compare(model: Any, tokens: torch.Tensor) -> list[Comparison]:
    """Compare torch with golden on weights and captured activations of a few layers."""
    names = [
        f"model.layers.{layer}.{part}"
        for layer in _LAYERS
        for part in ("self_attn.q_proj", "mlp.down_proj")
    ]
    inputs = capture_inputs(model, tokens, names)
    weights = {name: model.get_submodule(name).weight.detach() for name in names}
    found = [
        compare_quantize(weights.values(), f"weights of {len(names)} layers"),
        compare_quantize(inputs.values(), f"activations of {len(names)} layers"),
    ]
    hw = golden.HardwareConfig()
    rows = slice(0, _MATMUL_ROWS)
    for format_name in _MATMUL_FORMATS:
        mx = golden.get_format(format_name)
        for name in (names[0], names[-1]):
            what = name.removeprefix("model.")
            found.append(compare_matmul(inputs[name][rows], weights[name], what, mx, hw))
    return found


def measure(
    model: Any,
    tokenizer: Any,
    tokens: torch.Tensor,
    recipes: dict[str, Recipe],
    *,
    seqlen: int,
    console: Console,
) -> list[DemoRow]:
    """Return fp32 and each recipe with fake and exact numerics; `model` itself is left alone.

    Args:
        model: in floating point.
        tokenizer: of the model.
        tokens: (n,) int64.
        recipes: by the name that the table shows.
        seqlen: tokens in a window.
        console: where progress goes.
    """
    rows = []
    runs: list[tuple[str, Recipe | None, Numerics | None]] = [("fp32", None, None)]
    runs += [(name, recipe, kind) for name, recipe in recipes.items() for kind in Numerics]
    with progress_bars(console) as progress:
        for index, (name, recipe, kind) in enumerate(runs):
            progress("perplexity table", index, len(runs))
            label = f"{name} {kind.value}" if kind else name
            network, bits = model, 32.0
            if recipe is not None and kind is not None:
                network, info = quantize_module_transform_pass(
                    copy.deepcopy(model), recipe, numerics=kind
                )
                count = sum(entry.parameters for entry in info.values())
                total = sum(entry.parameters * entry.bits_per_weight for entry in info.values())
                bits = total / count
            result = evaluate_perplexity(
                network,
                tokens,
                seqlen=seqlen,
                decode=tokenizer.decode,
                progress=renamed(progress, label),
            )
            kind_name = kind.value if kind else "-"
            rows.append(DemoRow(name=name, numerics=kind_name, bits_per_weight=bits, result=result))
    return rows


def comparison_table(comparisons: list[Comparison]) -> Table:
    """Return the equivalence table."""
    table = Table(title="torch = golden on the model's own data")
    for heading in ("operation", "data", "formats"):
        table.add_column(heading, overflow="fold")
    for heading in ("values", "mismatches"):
        table.add_column(heading, justify="right")
    for entry in comparisons:
        colour = "red" if entry.mismatches else "green"
        table.add_row(
            entry.operation,
            entry.data,
            entry.formats,
            f"{entry.values:,}",
            f"[{colour}]{entry.mismatches}[/]",
        )
    return table


def perplexity_table(rows: list[DemoRow]) -> Table:
    """Return the perplexity table."""
    first = rows[0].result
    table = Table(
        title=f"SmolLM2-135M-Instruct, {first.tokens} tokens of Wikipedia in windows of "
        f"{first.seqlen}; linear layers quantised (weights and activations), blocks of 32"
    )
    for heading in ("format", "numerics"):
        table.add_column(heading)
    for heading in ("weight bits", "token ppl", "word ppl", "seconds", "× fp32"):
        table.add_column(heading, justify="right")
    for row in rows:
        result = row.result
        table.add_row(
            row.name,
            row.numerics,
            f"{row.bits_per_weight:.2f}",
            f"{result.token_perplexity:.2f}",
            f"{result.word_perplexity:.1f}" if result.word_perplexity is not None else "",
            f"{result.seconds:.1f}",
            f"{result.seconds / first.seconds:.2f}",
        )
    return table
