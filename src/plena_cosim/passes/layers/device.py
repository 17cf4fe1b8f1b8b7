"""device_of: where a calibration or a search computes."""

from __future__ import annotations

from dataclasses import replace

import torch

from plena_cosim.golden import FormatError

from ..recipe.calibration_tables import GptqTable, RotationSearchTable
from ..recipe.distill_table import DistillTable
from ..recipe.recipe import Recipe

_TABLES = ("gptq", "rotation_search", "distill")


def device_of(table: GptqTable | RotationSearchTable | DistillTable, name: str) -> torch.device:
    """Return the device that a table names; without the key the GPU, or else the CPU.

    Args:
        table: of a recipe.
        name: the table's, for the message.

    Raises:
        FormatError: the recipe names a device that is not there.
    """
    if "device" not in table.model_fields_set and not torch.cuda.is_available():
        return torch.device("cpu")
    try:
        device = torch.device(table.device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise FormatError(
            f"[{name}] device {table.device!r} cannot be used ({reason}); leave the key away for a "
            'GPU where there is one, or give "cpu", in the file or for this run: --device cpu, in '
            'Python device="cpu"'
        ) from None
    return device


def on_device(recipe: Recipe, device: str | None) -> Recipe:
    """Return the recipe with all that it calibrates, searches and trains on one device.

    Args:
        recipe: checked.
        device: as torch names it; None leaves each table its own.

    Raises:
        FormatError: a device that would be used is not there.
    """
    tables = {name: table for name in _TABLES if (table := getattr(recipe, name)) is not None}
    if device is not None:
        tables = {
            name: table.model_copy(update={"device": str(device)}) for name, table in tables.items()
        }
        recipe = replace(recipe, **tables)
    for name, table in tables.items():
        device_of(table, name)
    return recipe
