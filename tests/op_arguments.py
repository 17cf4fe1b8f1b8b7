"""One legal set of formats and sizes for any op of the registry, derived from its ports."""

from __future__ import annotations

import inspect
from typing import Any

from plena_cosim.golden import get_format
from plena_cosim.golden.blocks import MicroMx
from plena_cosim.golden.ops import Op

MX = get_format("mxfp4_e2m1", block_size=4, scale_bits=6)
MICRO = MicroMx(element_bits=5, block_size=4)


def block_arguments(op: Op) -> set[str]:
    """Return the format arguments that take an MX format, on a port or only inside."""
    return _hinted(op, "Mx | str")


def micro_arguments(op: Op) -> set[str]:
    """Return the format arguments that take a format with micro-exponents."""
    return _hinted(op, "MicroMx | str")


def _hinted(op: Op, hint: str) -> set[str]:
    parameters = inspect.signature(op.golden).parameters
    return {name for name in op.formats if parameters[name].annotation == hint}


def formats_for(op: Op, *, mx: Any, micro: Any, scalar: Any) -> dict[str, Any]:
    """Return one of three formats, or their names, for every format argument of an op."""
    blocks, with_micro = block_arguments(op), micro_arguments(op)
    return {
        name: mx if name in blocks else micro if name in with_micro else scalar
        for name in op.formats
    }


def usual_arguments(op: Op) -> dict[str, Any]:
    """Return blocks of 4 for ports with elements, bf16 for the others, 4 for sizes.

    Where a block is built for some formats only, the narrowest of them.
    """
    formats = formats_for(op, mx=MX, micro=MICRO, scalar=get_format("bf16"))
    formats |= {name: op.narrowest(name, "bf16") for name in op.built_for}
    return {**formats, **dict.fromkeys(op.sizes, 4)}
