"""The command that writes programs of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .console import console
from .destination import file_to_write, folder_to_write

app = typer.Typer()


@app.command("build-model")
def build_model(
    quant_config: Annotated[Path, typer.Option(help="A TOML recipe that chooses every operation.")],
    model: Annotated[
        str, typer.Option(help="A folder, a Hugging Face hub id, or demo (SmolLM2-135M).")
    ] = "demo",
    machine: Annotated[
        Path,
        typer.Option(
            help="Sizes, memories and transfers: a TOML of configs/hw, or one of your own. Its "
            "types are the recipe's."
        ),
    ] = Path("plena.toml"),
    layers: Annotated[
        str | None,
        typer.Option(help="Only these layers, such as 3 or 2-5, without embedding and head."),
    ] = None,
    text: Annotated[str, typer.Option(help="A UTF-8 file or demo: its first tokens.")] = "demo",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the prompt.")] = 5,
    decode: Annotated[int, typer.Option(min=0, help="Steps of decoding after it.")] = 1,
    device: Annotated[
        str | None,
        typer.Option(help="Where a calibration runs, such as cpu."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Run the programs, and compare what they leave with exact torch."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=folder_to_write,
            help="Folder for the programs, memory.bin, machine.toml and manifest.json.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--map", callback=file_to_write, help="A .png or .svg: the first program's memories."
        ),
    ] = None,
) -> None:
    """Write programs of a model under a recipe: a prompt, then token by token.

    Ends with status 1 where a code differs from hardware-exact torch. For example:

    plena build-model --quant-config llama_w4a4kv4_machine_mxint.toml --layers 0 --check
    """
    from ..golden.isa.machine import Machine
    from ..ground.progress_bar import progress_bars
    from ..programs.folder import write_folder
    from ..programs.from_model.run import Job, prepare

    job = Job(
        model=model,
        quant_config=quant_config,
        machine=Machine.load(machine),
        layers=layers,
        text=text,
        tokens=tokens,
        decode=decode,
        device=device,
    )
    made = prepare(job, console)
    found: dict[str, Any] = {}
    if check:
        with progress_bars(console) as bars:
            found = {each.name: each for each in made.run(bars)}
    table = Table("step", title=f"{model} under {quant_config.name}", min_width=60)
    for heading in ("tokens", "words", *(("instructions", "codes", "differ") if check else ())):
        table.add_column(heading, justify="right")
    for step in made.programs.steps:
        cells = [str(len(step.tokens)), f"{len(step.builder.program().words):,}"]
        if check:
            each = found[step.name]
            cells += [f"{each.instructions:,}", f"{each.codes:,}", f"{each.differing:,}"]
        table.add_row(step.name, *cells)
    console.print(table)
    image = made.programs.image
    typer.echo(f"{len(image.tensors)} tensors, {image.end / 2**20:.1f} MiB of HBM")
    if picture is not None:
        from ..programs.memory_map import draw

        step = made.programs.steps[0]
        draw(picture, step.builder, title=f"{model} under {quant_config.name}: {step.name}")
        typer.echo(f"{picture}: memories of {step.name}")
    if out is not None:
        about = {"model": model, "quant_config": str(quant_config), "layers": layers}
        builders = {step.name.replace(" ", "_"): step.builder for step in made.programs.steps}
        write_folder(out, builders, image, about)
        typer.echo(f"{out}: {', '.join(f'{name}.hex' for name in builders)}")
    if any(each.differing for each in found.values()):
        raise typer.Exit(1)
