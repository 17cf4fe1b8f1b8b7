"""`plena eval diffusion`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .destination import folder_to_write

app = typer.Typer()


@app.command()
def diffusion(
    model: Annotated[str, typer.Option(help="A masked language model: a folder, or a hub id.")],
    tasks: Annotated[Path, typer.Option(help="A file of tasks, JSON a line: prompt, answer.")],
    quant_config: Annotated[
        Path | None, typer.Option(help="A TOML recipe; without one the model runs as it is.")
    ] = None,
    numerics: Annotated[str, typer.Option(help="fake or exact.")] = "fake",
    hardware: Annotated[
        Path | None, typer.Option(help="A machine, for exact numerics: see plena machine.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where the model runs and is calibrated, such as cuda.")
    ] = None,
    gen_length: Annotated[int, typer.Option(min=1, help="Tokens of a text.")] = 128,
    block_length: Annotated[int, typer.Option(min=1, help="Tokens of a block.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Passes over all blocks together.")] = 128,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0: the likeliest tokens; else Gumbel noise.")
    ] = 0.0,
    remasking: Annotated[
        str, typer.Option(help="Which tokens of a pass are kept: low_confidence, or random ones.")
    ] = "low_confidence",
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Keep all tokens of this probability.")
    ] = None,
    factor: Annotated[
        float | None, typer.Option(min=0.0, help="Keep n while (n + 1)(1 - p) is below this.")
    ] = None,
    cache: Annotated[
        str, typer.Option(help="Keys that passes over a block share: none, prefix, dual.")
    ] = "none",
    mask_id: Annotated[
        int | None, typer.Option(min=0, help="The token of a mask; else the tokenizer's.")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python that comes with the model.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of noise and random remasking.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many tasks.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write, help="Folder of the run; else one of its own under results/."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write again what the folder of the run holds.")
    ] = False,
) -> None:
    """Have a diffusion language model write texts block by block, as LLaDA and Fast-dLLM do.

    For example:

    plena eval diffusion --model FOLDER --tasks tasks.jsonl --gen-length 64 --steps 64
    """
    from ..evaluate.diffusion.denoising import Denoising, KeyCache, Remasking
    from ..evaluate.diffusion.run import run_eval_diffusion
    from ..golden import FormatError

    for name, value, known in (("remasking", remasking, Remasking), ("cache", cache, KeyCache)):
        if value not in list(known):
            raise FormatError(f"unknown {name} {value!r}; known: {', '.join(known)}")
    run_eval_diffusion(
        model=model,
        tasks=tasks,
        denoising=Denoising(
            gen_length=gen_length,
            block_length=block_length,
            steps=steps,
            temperature=temperature,
            remasking=Remasking(remasking),
            threshold=threshold,
            factor=factor,
            cache=KeyCache(cache),
            seed=seed,
        ),
        mask_id=mask_id,
        quant_config=quant_config,
        numerics=numerics,
        hardware=hardware,
        device=device,
        trust_remote_code=trust_remote_code,
        limit=limit,
        out=out,
        results=Path("results"),
        overwrite=overwrite,
        console=console,
    )
