"""The work behind `plena quantize`: a model goes in, a folder with the quantised one comes out."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from plena_cosim.golden import Mx
from plena_cosim.ground.write_whole import remove_scratch, scratch_of
from plena_cosim.passes import export_dequantized
from plena_cosim.passes.recipe.formats import CastFormat
from plena_cosim.passes.recipe.spec_format import SpecFormat
from plena_cosim.passes.weights.packed_weight import PackedWeight
from plena_cosim.sources import TextSourceError

from .left_table import print_left
from .quantized import load_quantized
from .record import write_json


def run_quantize(
    *,
    model: str,
    quant_config: Path,
    out: Path,
    numerics: str = "fake",
    hardware: Path | None = None,
    device: str | None = None,
    dequantized: bool = False,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Quantise a model and save it with its tokenizer, whole or not at all.

    Args:
        model: a folder, an id on the Hugging Face hub, or "demo".
        quant_config: a recipe.
        out: the folder to make; plena.json in it says what was done.
        numerics: "fake" or "exact": how the saved model will compute.
        hardware: a machine of configs/hw for exact numerics.
        device: where calibration runs, in the place of what the recipe says.
        dequantized: save an ordinary checkpoint of the values instead of packed codes.
        overwrite: replace `out` if a model is there.
        cache: where demo downloads live; the user's cache directory when None.
        console: where the table goes.

    Returns:
        What plena.json holds.

    Raises:
        FormatError, TextSourceError: with one clear message each; `out` is as it was then.
    """
    console = console or Console()
    sweep(out)
    require_free(out, overwrite=overwrite)
    made = load_quantized(
        model,
        quant_config,
        numerics=numerics,
        hardware=hardware,
        device=device,
        cache=cache,
        console=console,
    )
    record = made.record() | {"dequantized": dequantized}
    with replacing(out) as folder:
        if dequantized:
            export_dequantized(made.network, folder)
        else:
            made.network.save_pretrained(folder)
        made.tokenizer.save_pretrained(folder)
        write_json(folder / "plena.json", record)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    table = Table(title=str(out))
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("recipe", f"{made.recipe.source} ({numerics})")
    table.add_row("modules quantised", str(len(made.info)))
    table.add_row("left in float", made.left.words())
    table.add_row("weights", "dequantised values" if dequantized else stored_as(made.network))
    table.add_row("size of the weights", f"{size / 1e6:.1f} MB")
    console.print(table)
    print_left(made.left, console)
    return record


def stored_as(model: nn.Module) -> str:
    """Return how a file keeps the weights of a quantised model.

    Args:
        model: with its quantised modules.

    >>> stored_as(nn.Linear(1, 1))
    'packed codes'
    """
    weights = [module for module in model.modules() if isinstance(module, PackedWeight)]
    values = sum(isinstance(weight.fmt, SpecFormat) for weight in weights)
    if not values:
        return "packed codes"
    coded = any(isinstance(weight.fmt, (Mx, CastFormat)) for weight in weights)
    return f"packed codes, values of {values}" if coded else "values, formats by axes have no codes"


def require_free(out: Path, *, overwrite: bool, given_as: str = "--out") -> None:
    """See that a folder may be made, or replaced.

    Args:
        out: the folder.
        overwrite: replace it if a model is there.
        given_as: words for the message.

    Raises:
        TextSourceError: it is no folder, it is there and not to be replaced, or holds no model.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise TextSourceError(f"{out} is not a folder; give another {given_as}")
    if not out.exists():
        return
    if not overwrite:
        raise TextSourceError(
            f"{out} exists; give another {given_as}, or --overwrite to replace it"
        )
    if any(out.iterdir()) and not (out / "config.json").is_file():
        raise TextSourceError(
            f"{out} holds no model (no config.json), so --overwrite leaves it alone; give another "
            f"{given_as}"
        )


def sweep(out: Path) -> None:
    """Remove what killed runs left beside `out`; one that was replacing it comes to its end."""
    for scratch in scratch_of(out):
        if (scratch / "old").is_dir() and (scratch / "new").is_dir() and not out.exists():
            (scratch / "new").rename(out)
    remove_scratch(out.parent)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` that becomes `out` if the block succeeds, and is gone if not."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{out.name}.{os.getpid()}."  # the process's number lets a later run sweep it
        scratch = Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=out.parent))
    except OSError as error:
        raise TextSourceError(f"cannot write into {out.parent}: {error.strerror}") from None
    try:
        fresh = scratch / "new"
        fresh.mkdir()
        yield fresh
        old = scratch / "old"
        if out.exists():
            out.rename(old)
        try:
            fresh.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    except OSError as error:
        raise TextSourceError(f"cannot write {out}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
