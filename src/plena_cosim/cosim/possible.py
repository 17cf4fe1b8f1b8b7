"""require_possible: whether a model's operands fit the machine's matrix unit."""

from __future__ import annotations

from torch import nn

from plena_cosim.golden import HardwareConfig, Mx
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.weights.packed_weight import PackedWeight

from .block_operations import require_whole_blocks


def require_possible(network: nn.Module, hw: HardwareConfig) -> None:
    """Raise CosimError where an operand cannot enter the matrix unit, before anything runs.

    Args:
        network: quantised.
        hw: the machine.
    """
    for name, module in network.named_modules():
        core = core_of(module)
        formats = (
            []
            if core is None
            else [
                fmt
                for each in core.formats.values()
                for fmt in (each.qk_matmul, each.av_matmul, each.kv_cache)
            ]
        )
        if isinstance(module, PackedWeight):
            formats.append(module.fmt)
        given = getattr(module, "formats", None)
        formats.append(getattr(given, "data_in", None))
        for fmt in formats:
            if isinstance(fmt, Mx):
                require_whole_blocks(fmt, hw, name)
