"""Commands that run, prove, measure or write RTL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .destination import folder_to_write

app = typer.Typer()


@app.command()
def sim(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only cases with this format, e.g. bf16.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random stimuli.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a processor by default.")
    ] = None,
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
        str | None, typer.Option(help="Only this op; fp_add, fp_mul and hadamard by default.")
    ] = None,
    fmt: Annotated[str, typer.Option(help="A format of at most 16 bits.")] = "fp16",
    chunks: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many chunks of 2^24 inputs.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    results: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Where finished chunks are noted.")
    ] = Path("results/sim-long"),
) -> None:
    """Compare RTL with golden on every pair of a 16-bit format: 2^32 inputs a block.

    A run that was broken off goes on where it was; other RTL or golden code starts anew. Then come
    cases whose blocks take minutes to build (--block hadamard: these alone).
    """
    from ..sim.cases.table import large_cases
    from ..sim.regression import exhaustive as long
    from ..sim.regression import large
    from ..sim.regression import run as regression

    cases = large_cases(block)
    blocks = long.BLOCKS if block is None else () if cases else (block,)
    status = long.run(
        blocks,
        fmt,
        chunks=chunks,
        jobs=jobs,
        folder=results,
        failures=regression.RESULTS,
        console=console,
    )
    if chunks is None or not blocks:
        status |= large.run(cases, failures=regression.RESULTS, console=console)
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
    block: Annotated[
        str | None, typer.Option(help="Only proofs about this op's block and the modules in it.")
    ] = None,
    proof: Annotated[str | None, typer.Option(help="Only this proof, e.g. round.")] = None,
) -> None:
    """Prove the RTL: rounding, products, sums and streams, for every input and for ever.

    Each proof also has to find faults that are put into the RTL. Results land in results/prove/.
    """
    from ..sim.formal import prove as proving

    raise typer.Exit(proving.run(proof, block, console=console))


@app.command()
def mutate(
    count: Annotated[int, typer.Option(min=1, help="How many, spread over all files.")] = 60,
    every: Annotated[bool, typer.Option("--all", help="Every mutant there is: hours.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice.")] = 0,
    file: Annotated[str | None, typer.Option(help="Only files with this in their path.")] = None,
) -> None:
    """Change the RTL in small ways and see whether the comparison with golden notices.

    A run goes on where the last one stopped. Results land in results/mutate/; survivors that make
    no difference are listed with the reason in rtl/equivalent_mutants.toml.
    """
    from ..sim.mutation import run as mutating

    chosen = None if every else count
    raise typer.Exit(mutating.run(count=chosen, seed=seed, file=file, console=console))


@app.command()
def synth(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only blocks with this format.")] = None,
    slow: Annotated[
        bool, typer.Option("--all", help="Also the blocks that take minutes each.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a processor by default.")
    ] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the figures to rtl/synth.json and docs/rtl-cost.md."),
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
    status = synthesis.run(block, fmt, slow=slow, jobs=jobs, record=record, as_json=as_json)
    if record:
        from ..docs import cost_table

        cost_table.write()
    raise typer.Exit(status)


@app.command()
def fpga(
    block: Annotated[str | None, typer.Option(help="Only this op, e.g. fp_mul.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only blocks with this format.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Placements a block.")] = 5,
    every: Annotated[
        bool, typer.Option("--all", help="All blocks, also those that take minutes each.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the figures to rtl/fpga.json and docs/rtl-cost.md."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Place and route blocks on an ECP5: LUTs, DSPs, flip-flops and the median clock of the seeds.

    Inputs and outputs are registers around the block. Results land in results/fpga/fpga.json.
    """
    from ..sim.fpga import run as placing

    status = placing.run(block, fmt, seeds=seeds, every=every, record=record, as_json=as_json)
    if record and status == 0:
        from ..docs import cost_table

        cost_table.write()
    raise typer.Exit(status)


@app.command()
def waves(
    block: Annotated[str, typer.Option(help="The op, e.g. fp_mul.")],
    fmt: Annotated[str | None, typer.Option(help="One of its formats, e.g. bf16.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Beats.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the beats, gaps and stalls.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open it in a viewer, if there is one.")] = (
        False
    ),
    out: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Folder of the VCD file.")
    ] = Path("results/waves"),
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
    results: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Where plena sim put it.")
    ] = Path("results/sim"),
) -> None:
    """Show what the last regressions have seen of every format, and name what they have not.

    Runs with several seeds add up. Exit code 1 if a bin that can be reached was never hit.
    """
    if rtl:
        _rtl_coverage(block, fmt, every=every, seed=seed, jobs=jobs, results=results)
        return
    from ..sim.coverage import report

    verdicts = report.summarise(results, block=block, fmt=fmt)
    console.print(report.table(verdicts))
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
    with rtl.record_all(cases, seed=seed, jobs=jobs) as recorded:
        for seen in track(recorded, "cases", len(cases), console=console, transient=True):
            counts.update(seen)
    rtl.save(counts, results / "coverage-rtl.json")
    console.print(rtl.table(counts))
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
