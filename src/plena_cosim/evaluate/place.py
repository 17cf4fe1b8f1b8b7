"""place_of: the device that a process measures on."""

from __future__ import annotations

import torch

from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import Launched


def place_of(device: str | None, process: Launched) -> str | None:
    """Return the device to measure on, after a look whether it is there.

    Of several processes each takes the GPU of its number as "cuda", so that all that is written
    down of them is equal.

    Args:
        device: as torch names it; None: a GPU of its own for each of several processes where there
            are GPUs, else the CPU.
        process: which one this is.

    Returns:
        The device; None: nothing was asked for, and the model stays on the CPU.

    Raises:
        FormatError: it is not there, or several processes would share one GPU.
    """
    several = process.count > 1
    if device is None and not (several and torch.cuda.is_available()):
        return None
    name = device or "cuda"
    try:
        found = torch.device(name)
        if found.type == "meta":
            raise RuntimeError("it holds no numbers")
        if several and found.index is not None and found.type != "cpu":
            raise FormatError(
                f"device {name!r} is one for {process.count} processes; give {found.type!r}, of "
                "which each takes its own"
            )
        if several and found.type == "cuda" and torch.cuda.is_available():
            there = torch.cuda.device_count()
            if process.local_rank >= there:
                raise FormatError(
                    f"{there} GPUs are here, and a process for one more; start so many processes, "
                    "or give --device cpu"
                )
            torch.cuda.set_device(process.local_rank)
        torch.empty(0, device=found)
    except FormatError:
        raise
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise FormatError(
            f"device {name!r} cannot be used ({reason}); leave --device away for the CPU"
        ) from None
    return name
