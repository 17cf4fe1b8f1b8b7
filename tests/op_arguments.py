"""One legal set of formats and sizes for any op of the registry, derived from its ports."""

from __future__ import annotations

import inspect
from typing import Any

from plena_cosim.golden import get_format
from plena_cosim.golden.ops import Op

MX = get_format("mxfp4_e2m1", block_size=4, scale_bits=6)


def block_arguments(op: Op) -> set[str]:
    """Return the format arguments that take an MX format, on a port or only inside."""
    parameters = inspect.signature(op.golden).parameters
    return {name for name in op.formats if parameters[name].annotation == "Mx | str"}


def usual_arguments(op: Op) -> dict[str, Any]:
    """Return MX blocks of 4 for ports with elements, bf16 for the others, 4 for sizes.

    Where a block is built for some formats only, the narrowest of them.
    """
    blocks = block_arguments(op)
    formats = {name: MX if name in blocks else op.narrowest(name, "bf16") for name in op.formats}
    return {**formats, **dict.fromkeys(op.sizes, 4)}
