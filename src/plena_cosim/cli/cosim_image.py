"""Commands that write and check memory images of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from .console import console
from .destination import folder_to_write
from .models import Device, Numerics

if TYPE_CHECKING:
    from plena_cosim.cosim.image.matrix import Matrix

image_app = typer.Typer(invoke_without_command=True)


@image_app.callback()
def image(
    context: typer.Context,
    quant_config: Annotated[Path | None, typer.Option(help="A TOML recipe.")] = None,
    out: Annotated[
        Path | None, typer.Option(callback=folder_to_write, help="The folder to make.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A folder, a Hugging Face hub id, or demo (SmolLM2-135M).")
    ] = "demo",
    machine: Annotated[
        Path | None,
        typer.Option(help="A machine; else the recipe's, else the default one. See plena machine."),
    ] = None,
    numerics: Annotated[Numerics, typer.Option(help="fake or exact.")] = Numerics.EXACT,
    layers: Annotated[
        str | None,
        typer.Option(help="Decoder layers such as 0-2,7; else all, with embeddings and head."),
    ] = None,
    tokens: Annotated[
        int, typer.Option(min=0, help="Also inputs of linear layers and KV of so many tokens.")
    ] = 0,
    text: Annotated[str, typer.Option(help="A UTF-8 file or demo: its first tokens.")] = "demo",
    device: Device = None,
) -> None:
    """Write a model's codes as PLENA's memory holds them: raw bytes, hex, safetensors, manifest.

    plena cosim image --quant-config R.toml --layers 0 --tokens 32 --out IMAGE

    plena cosim image verify IMAGE
    """
    if context.invoked_subcommand is not None:
        return
    if quant_config is None or out is None:
        missing = "--quant-config" if quant_config is None else "--out"
        raise typer.BadParameter(f"{missing} is missing; or give the command verify")
    from ..cosim.image.collect import layers_of, left_out
    from ..cosim.image.write import write_image
    from ..golden import HardwareConfig
    from ..ground.destination import DestinationError

    if out.exists():
        raise DestinationError(f"{out} exists; give another --out, or remove it")
    if layers is not None:
        layers_of(layers)
    asked = {
        "model": model,
        "recipe": str(quant_config),
        "numerics": numerics.value,
        "layers": layers,
        "tokens": tokens,
        "text": text,
    }
    network, tokenizer, own = _quantized(asked, machine, device)
    hw = HardwareConfig.load(machine) if machine is not None else own or HardwareConfig()
    about = {**asked, "left_out": left_out(network)}
    manifest = write_image(out, _matrices(network, tokenizer, asked), hw=hw, about=about)
    _show(out, manifest)
    for line in hw.unmapped:
        typer.echo(f"machine: {line}")


@image_app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="That plena cosim image has written.")],
    model: Annotated[
        str | None, typer.Option(help="Compare with the codes of this model, too.")
    ] = None,
    quant_config: Annotated[
        Path | None, typer.Option(help="With --model: the recipe, else that of the manifest.")
    ] = None,
    device: Device = None,
) -> None:
    """Read an image back: its files against each other, their checksums and a model's codes."""
    from ..cosim.image.verify import read_manifest, verify_image
    from ..golden import HardwareConfig

    matrices = None
    if model is not None:
        manifest = read_manifest(folder)
        asked = {**manifest, "model": model, "recipe": quant_config or manifest["recipe"]}
        hw = HardwareConfig.from_tables(manifest["machine"], source=str(folder))
        network, tokenizer, _ = _quantized(asked, hw, device)
        matrices = _matrices(network, tokenizer, asked)
    manifest = verify_image(folder, matrices)
    whose = "checksums" if model is None else f"checksums and the codes of {model}"
    typer.echo(f"{folder}: {len(manifest['tensors'])} tensors equal, {whose}")


def _quantized(asked: dict[str, Any], machine: Any, device: str | None) -> tuple[Any, Any, Any]:
    """Return a quantised model, its tokenizer, and the machine that its recipe names."""
    from ..evaluate.load import load_model, require_original
    from ..golden import HardwareConfig
    from ..passes import load_quant_config, quantize_module_transform_pass
    from ..passes.layers.device import on_device

    hw = HardwareConfig.load(machine) if isinstance(machine, Path) else machine
    recipe = on_device(load_quant_config(Path(asked["recipe"])), device)
    network, tokenizer = load_model(asked["model"])
    require_original(network, asked["model"])
    network, _ = quantize_module_transform_pass(
        network, recipe, numerics=asked["numerics"], hw=hw if asked["numerics"] == "exact" else None
    )
    return network, tokenizer, recipe.hardware


def _matrices(network: Any, tokenizer: Any, asked: dict[str, Any]) -> Iterator[Matrix]:
    from ..cosim.image.collect import layers_of, of_prompt, weights
    from ..sources import load_text, tokenize

    layers = None if asked["layers"] is None else layers_of(asked["layers"])
    yield from weights(network, layers)
    if asked["tokens"]:
        ids = tokenize(tokenizer, load_text(asked["text"]), limit=asked["tokens"])
        yield from of_prompt(network, ids, layers)


def _show(out: Path, manifest: dict[str, Any]) -> None:
    table = Table(title=Text(str(out)))
    for column in ("kind", "format"):
        table.add_column(column)
    for column in ("tensors", "bytes"):
        table.add_column(column, justify="right")
    groups: dict[tuple[str, str], list[int]] = {}
    for entry in manifest["tensors"]:
        name = f"{entry['format']['name']}/{entry['format']['block_size']}"
        size = entry["scale_offset"] + entry["scale_bytes"]
        groups.setdefault((entry["kind"], name), []).append(size)
    for (kind, name), sizes in groups.items():
        table.add_row(kind, name, str(len(sizes)), f"{sum(sizes):,}")
    console.print(table)
    if manifest["left_out"]:
        typer.echo(f"no MX format, not in the image: {json.dumps(manifest['left_out'])[:200]}")
