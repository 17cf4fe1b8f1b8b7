"""The work behind `plena eval attribute`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.ground.write_whole import write_whole
from plena_cosim.passes import Recipe, load_quant_config, quantize_module_transform_pass
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.selective import Operand, SelectivePass
from plena_cosim.sources import load_text, text_digest, tokenize
from plena_cosim.sources.demo_model import CAVEAT

from ..key import tokens_digest
from ..load import load_model
from ..perplexity import evaluate_perplexity
from ..results.run_folder import RunFolder, open_run
from ..results.sample_log import SampleLog
from ..subject import Subject
from .groups import grouped
from .measure import Losses, Share, measure_shares
from .mix import Mix, choose_widths, mix_text, mixed_recipe, weights_of
from .report import attribution_report
from .words import MODES, share_cells, verdict_words

MIXED = "mixed.toml"


def run_eval_attribute(
    *,
    model: str,
    text: str,
    quant_config: Path,
    by: Sequence[str] = ("op", "layer", "role"),
    heat: str | None = "op×role",
    bits: float | None = None,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    seqlen: int = 512,
    limit: int = 2048,
    test_tokens: int = 8192,
    seed: int = 0,
    out: Path | None = None,
    results: Path | None = None,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure what each part of a recipe costs, print tables, and return the record.

    Each group is measured alone (all else in float) and left out (all else quantised). With a bit
    budget a recipe of mixed weight widths is proposed, and measured beside the uniform one on text
    that follows the one it was chosen on.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        text: a UTF-8 file, or a name that `load_text` knows, such as "demo".
        quant_config: a recipe.
        by: what operands are grouped by: "op", "layer", "role", or two of these, "op×layer".
        heat: two of these for the heat map, each pair measured alone; None: no heat map.
        bits: a weight, shares of scales included, for the mixed recipe; None: none is made.
        numerics: "fake" or "exact".
        hardware: a machine of configs/hw for exact numerics.
        device: where calibration runs, in the place of what the recipe says.
        seqlen: tokens in a window.
        limit: tokens that parts are measured on, in whole windows.
        test_tokens: tokens after these that a mixed recipe is measured on.
        seed: of torch, recorded.
        out: the folder of the run.
        results: where the run gets a folder by its own name; without either nothing is kept.
        overwrite: measure again what the folder holds.
        cache: where demo downloads live; the user's cache directory when None.
        console: where tables go.

    Returns:
        The record.

    Raises:
        FormatError, TextSourceError: with one clear message each. The recipe is checked first.
    """
    console = console or Console()
    recipe = on_device(load_quant_config(quant_config), device)
    axes = list(dict.fromkeys([*by, *([heat] if heat else [])]))
    for axis in axes:
        grouped([], axis)
    words = load_text(text, cache=cache)
    subject = Subject.load(
        model,
        recipe,
        numerics=numerics,
        hardware=hardware,
        device=device,
        seed=seed,
        cache=cache,
    )
    tokens = _windows(tokenize(subject.tokenizer, words, limit=limit), seqlen, "limit")
    unseen = tokenize(subject.tokenizer, words)[len(tokens) :][:test_tokens]
    if bits is not None:
        unseen = _windows(unseen, seqlen, "text after it")
    windows = {"seqlen": seqlen, "limit": limit, "test_tokens": test_tokens}
    file = None
    if out is not None or results is not None:
        file = subject.run_file(
            "eval attribute",
            samples={"text_sha256": text_digest(words), "tokens_sha256": tokens_digest(tokens)}
            | windows,
            key={},
            arguments={"text": text, "by": list(by), "heat": heat, "bits": bits, **windows},
            code=("perplexity.py", "attribution/measure.py", "attribution/mix.py"),
        )
    folder = subject.folder(out, results, file)
    with open_run(folder, file, recipe=recipe, overwrite=overwrite) as run:
        with progress_bars(console) as progress:
            selective = SelectivePass(
                subject.network,
                recipe,
                numerics=numerics,
                hw=subject.machine,
                progress=progress,
            )
        groups = {axis: grouped(selective.operands, axis) for axis in axes}
        if done := len(run.samples):
            console.print(f"goes on: {done} windows are there already", style="dim")
        count = 2 + sum(
            len(members) * (1 if axis == heat and axis not in by else 2)
            for axis, members in groups.items()
        )
        weights: list[Operand] = []
        width = 0
        if bits is not None:
            weights, width = weights_of(selective.operands, recipe, bits)
            count += 1 + 2 * sum(len(grouped(weights, axis)) for axis in ("op", "layer"))
        with progress_bars(console) as progress:
            losses = Losses(
                selective, tokens, seqlen=seqlen, log=run.samples, count=count, progress=progress
            )
            total, error, shares = measure_shares(
                losses, {axis: groups[axis] for axis in by}, MODES
            )
            if heat is not None and heat not in by:
                shares += measure_shares(losses, {heat: groups[heat]}, ("in",))[2]
            mix = choose_widths(losses, weights, width) if weights else None
        verdict = None
        if mix is not None:
            with progress_bars(console) as progress:
                verdict = _tested(
                    subject, recipe, mix, unseen, seqlen, run.samples, cache, progress
                )
        record = {
            "text": text,
            "text_sha256": text_digest(words),
            "cost": total,
            "cost_error": error,
            "shares": [each.as_dict() for each in shares],
            "mix": None if mix is None else asdict(mix),
            "test": verdict,
            "shown": [["cost, nats a token", f"{total:.4f}"]],
            "model": model,
            "quant_config": recipe.source,
            "numerics": numerics,
            "run": subject.environment(),
            **({"caveat": CAVEAT} if model == "demo" else {}),
        }
        _show(record, shares, by, console)
        if mix is not None and folder is not None:
            write_whole(folder / MIXED, mix_text(recipe, mix))
            console.print(f"mixed recipe: {folder / MIXED}", soft_wrap=True)
        run.finish(record, lambda: _report(record, shares, heat, subject, run, folder))
    if folder is not None:
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    return record


def _report(
    record: dict[str, Any],
    shares: list[Share],
    heat: str | None,
    subject: Subject,
    run: RunFolder,
    folder: Path | None,
) -> Any:
    mixed = None
    if folder is not None and (folder / MIXED).exists():
        mixed = (folder / MIXED).read_text(encoding="utf-8")
    return attribution_report(
        record,
        shares,
        heat=heat,
        recipe=subject.recipe_text(),
        mixed=mixed,
        environment=run.environment,
    )


def _windows(tokens: Tensor, seqlen: int, what: str) -> Tensor:
    """Return whole windows of tokens."""
    count = tokens.numel() // seqlen
    if not count:
        raise FormatError(
            f"{what}: {tokens.numel()} tokens are not one window of {seqlen}; give a longer text, "
            "or a smaller --seqlen"
        )
    return tokens[: count * seqlen]


def _tested(
    subject: Subject,
    recipe: Recipe,
    mix: Mix,
    tokens: Tensor,
    seqlen: int,
    log: SampleLog,
    cache: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Measure the mixed recipe beside the uniform one on text that it was not chosen on."""
    found: dict[str, list[float]] = {}
    bits: dict[str, float] = {}
    perplexity: dict[str, float] = {}
    for number, name in enumerate(("uniform", "mixed")):
        progress(f"on unseen text: {name}", number, 2)
        network, _ = load_model(subject.model, cache=cache)
        network, info = quantize_module_transform_pass(
            network,
            mixed_recipe(recipe, mix, uniform=name == "uniform"),
            numerics=subject.numerics,
            hw=subject.machine,
        )
        count = sum(entry.parameters for entry in info.values())
        total = sum(entry.parameters * entry.bits_per_weight for entry in info.values())
        bits[name] = total / count
        # The widths belong to the name: another mix is another sample.
        key = f"test {name} {mix.width} {sorted(mix.widths.items()) if name == 'mixed' else ''}"
        result = evaluate_perplexity(network, tokens, seqlen=seqlen, log=log.under(key))
        found[name], perplexity[name] = result.window_losses, result.token_perplexity
    progress("on unseen text", 2, 2)
    scored = len(tokens) - len(tokens) // seqlen
    differences = [one - two for one, two in zip(found["mixed"], found["uniform"], strict=True)]
    change = math.fsum(differences) / scored
    error = None
    if len(differences) > 1:
        mean = math.fsum(differences) / len(differences)
        spread = math.fsum((each - mean) ** 2 for each in differences) / (len(differences) - 1)
        error = math.sqrt(spread * len(differences)) / scored
    return {
        "tokens": len(tokens),
        "uniform_perplexity": perplexity["uniform"],
        "mixed_perplexity": perplexity["mixed"],
        "uniform_bits": bits["uniform"],
        "mixed_bits": bits["mixed"],
        "change": change,
        "error": error,
        "wins": change < 0 and error is not None and change + 2 * error < 0,
    }


def _show(
    record: dict[str, Any], shares: Sequence[Share], by: Sequence[str], console: Console
) -> None:
    """Print a table for each axis, and what became of a mix."""
    error = "" if record["cost_error"] is None else f" ± {record['cost_error']:.4f}"
    console.print(
        f"{record['quant_config']} costs {record['cost']:.4f}{error} nats a token", soft_wrap=True
    )
    for axis in by:
        table = Table(title=f"by {axis}")
        table.add_column("group", overflow="fold")
        for name in ("alone", "s.e.", "share", "left out", "s.e.", "share"):
            table.add_column(name, justify="right")
        mine: dict[str, dict[str, Share]] = {}
        for each in shares:
            if each.axis == axis:
                mine.setdefault(each.group, {})[each.mode] = each
        ordered = sorted(mine.items(), key=lambda pair: -pair[1]["in"].cost)
        for group, modes in ordered:
            cells = [cell for mode in MODES for cell in share_cells(modes[mode])]
            table.add_row(Text(group), *cells)
        console.print(table)
    console.print(
        "nats a token; alone: rise when only this is quantised; left out: fall when all else is",
        style="dim",
    )
    if record["test"] is not None:
        console.print(verdict_words(record["test"]), soft_wrap=True)
    if "caveat" in record:
        console.print(record["caveat"], style="dim")
