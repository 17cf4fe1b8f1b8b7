"""device_of: where a calibration or a search computes."""

from __future__ import annotations

import torch

from plena_cosim.golden import FormatError

from ..recipe.calibration_tables import GptqTable, RotationSearchTable
from ..recipe.distill_table import DistillTable


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
            'GPU where there is one, or give "cpu"'
        ) from None
    return device
