"""Commands that bring a model to the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .cosim_image import image_app
from .destination import folder_to_write

app = typer.Typer()
cosim_app = typer.Typer(no_args_is_help=True, help="Bring a model to the hardware.")
app.add_typer(cosim_app, name="cosim")
cosim_app.add_typer(image_app, name="image")


@cosim_app.command()
def run(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe.")],
    model: Annotated[
        str, typer.Option(help="A folder, a Hugging Face hub id, or demo (SmolLM2-135M).")
    ] = "demo",
    machine: Annotated[
        Path | None,
        typer.Option(help="A machine of configs/hw; else the recipe's, else the default one."),
    ] = None,
    ops: Annotated[
        str,
        typer.Option(
            help="What runs in blocks, with commas: matmul, softmax, rms_norm, layer_norm, rope, "
            "silu, hadamard, attention, kv_cache, embedding, residual, or all."
        ),
    ] = "all",
    text: Annotated[str, typer.Option(help="A UTF-8 file or demo: its first tokens.")] = "demo",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the prefill.")] = 32,
    decode: Annotated[int, typer.Option(min=0, help="Steps of decoding after it.")] = 0,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="Instead: the perplexity of a window of so many tokens."),
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Only these layers in blocks: 3, or 2-5.")
    ] = None,
    max_layers: Annotated[
        int | None, typer.Option(min=1, help="Cut the model to so many layers first.")
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(help="Of the model: auto (the vector format's, with sums in RTL) or float32."),
    ] = "auto",
    clock: Annotated[float, typer.Option(min=0.001, help="MHz, for the latencies.")] = 1000.0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Threads that run blocks; one a core by default.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Where a calibration runs, such as cpu."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compare again what was compared before.")
    ] = False,
    rtl: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Another RTL folder."),
    ] = None,
    out: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Folder of results.json and report.html.")
    ] = Path("results/cosim"),
) -> None:
    """Run a model with operations in Verilated blocks; every code is compared with exact torch.

    The first difference ends the run with its layer, operation, tile and codes, a command that
    replays it and a waveform. What was equal before, on the same inputs and RTL, is not run again.

    For example, every matrix product of a prefill, and a perplexity to the last digit:

    plena cosim run --quant-config configs/quant/llama_w4a4_mxint.toml --ops matmul --tokens 32

    plena cosim run --quant-config configs/quant/llama_w4a4_mxint.toml --ops matmul --window 512
    """
    from ..cosim.run import Job, run_cosim
    from ..cosim.selection import Selection
    from ..sim.verilate.rtl_files import RTL_DIR

    job = Job(
        model=model,
        quant_config=quant_config,
        machine=machine,
        selection=Selection.of(ops, layers),
        text=text,
        tokens=tokens,
        decode=decode,
        window=window,
        max_layers=max_layers,
        dtype=dtype,
        clock_mhz=clock,
        jobs=jobs,
        device=device,
        fresh=fresh,
        rtl_dir=rtl or RTL_DIR,
    )
    if not run_cosim(job, out=out, console=console)["equal"]:
        raise typer.Exit(1)


@cosim_app.command()
def capture(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe.")],
    model: Annotated[
        str, typer.Option(help="A folder, a Hugging Face hub id, or demo (SmolLM2-135M).")
    ] = "demo",
    machine: Annotated[
        Path | None,
        typer.Option(help="A machine of configs/hw; else the recipe's, else the default one."),
    ] = None,
    ops: Annotated[str, typer.Option(help="Whose beats, as for plena cosim run.")] = "all",
    text: Annotated[str, typer.Option(help="A UTF-8 file or demo: its first tokens.")] = "demo",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the prefill.")] = 8,
    layers: Annotated[str | None, typer.Option(help="Only of these layers: 3, or 2-5.")] = None,
    max_layers: Annotated[
        int | None, typer.Option(min=1, help="Cut the model to so many layers first.")
    ] = None,
    beats: Annotated[
        int, typer.Option(min=1, help="Beats to keep of one block; of the matrix unit, sums.")
    ] = 64,
    device: Annotated[
        str | None,
        typer.Option(help="Where a calibration runs, such as cpu."),
    ] = None,
    out: Annotated[
        Path, typer.Option(callback=folder_to_write, help="Folder of the tile files.")
    ] = Path("results/capture"),
) -> None:
    """Keep what real layers send through blocks, where random stimuli rarely get.

    A .npz a block (plena cosim replay runs it), $readmemh text a port, manifest.json, and a table:
    the regression's coverage bins of real traffic beside those of random stimuli.
    """
    from ..cosim.capture import Capture
    from ..cosim.run import Job, run_cosim
    from ..cosim.selection import Selection

    job = Job(
        model=model,
        quant_config=quant_config,
        machine=machine,
        selection=Selection.of(ops, layers),
        text=text,
        tokens=tokens,
        max_layers=max_layers,
        device=device,
        fresh=True,
    )
    taken = Capture(folder=out, limit=beats)
    if not run_cosim(job, out=out / "run", console=console, capture=taken)["equal"]:
        raise typer.Exit(1)


@cosim_app.command()
def replay(
    beats: Annotated[Path, typer.Argument(help="The .npz that a difference names.")],
    rtl: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Another RTL folder.")
    ] = None,
) -> None:
    """Run one block again on the beats of a difference, against golden, and write its waveform."""
    from ..cosim import difference
    from ..sim.verilate.rtl_files import RTL_DIR

    found = difference.replay(beats, rtl_dir=rtl or RTL_DIR)
    typer.echo(found.line)
    typer.echo(f"waveform: {found.waveform}")
    if not found.equal:
        raise typer.Exit(1)
