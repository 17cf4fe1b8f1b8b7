"""torch against golden on a real model's weights and activations: every bit, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plena_cosim import fakequant, golden


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One operation on one kind of data.

    Attributes:
        operation: "quantize" or "matmul".
        data: what was compared.
        formats: how many formats, or which.
        values: numbers compared.
        mismatches: how many differ in a bit; must be 0.
    """

    operation: str
    data: str
    formats: str
    values: int
    mismatches: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)


def capture_inputs(model: Any, tokens: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
    """Return what each named module receives when the model reads `tokens`: (n, features).

    Args:
        model: of transformers.
        tokens: (n,) int64.
        names: of modules.
    """
    captured: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            captured[name] = inputs[0].detach().flatten(0, -2).clone()

        return hook

    handles = [model.get_submodule(name).register_forward_pre_hook(keep(name)) for name in names]
    try:
        with torch.no_grad():
            model(tokens[None])
    finally:
        for handle in handles:
            handle.remove()
    return captured


def compare_quantize(tensors: Iterable[Tensor], data: str) -> Comparison:
    """Compare fakequant.quantize with golden.quantize in every named MX format."""
    formats = [fmt for fmt in golden.FORMATS.values() if isinstance(fmt, golden.Mx)]
    values = mismatches = 0
    for tensor in tensors:
        for mx in formats:
            ours = fakequant.quantize(tensor, mx).numpy()
            theirs = golden.quantize(tensor.numpy(), mx).dequantize(np.float32)
            values += ours.size
            mismatches += count_differing_bits(ours, theirs)
    return Comparison(
        operation="quantize",
        data=data,
        formats=f"all {len(formats)} MX formats",
        values=values,
        mismatches=mismatches,
    )


def compare_matmul(
    x: Tensor, weight: Tensor, data: str, mx: golden.Mx, hw: golden.HardwareConfig
) -> Comparison:
    """Compare fakequant.matmul with golden.ops.matmul on x @ weight.T.

    Args:
        x: (rows, features) float32.
        weight: (outputs, features) float32.
        data: what it is, for the table.
        mx: format of both.
        hw: the machine that multiplies.

    Returns:
        How many values there are, and how many differ.
    """
    ours = fakequant.matmul(
        fakequant.quantize_mx(x, mx), fakequant.quantize_mx(weight, mx).mT, hw
    ).numpy()
    codes = golden.ops.matmul(
        golden.quantize(x.numpy(), mx), golden.quantize(weight.numpy().T, mx, axis=0), hw
    )
    theirs = golden.decode(codes, hw.vector_format).astype(np.float32)
    return Comparison(
        operation="matmul",
        data=data,
        formats=f"{mx.name}, sums in {hw.accumulator_format.name}",
        values=ours.size,
        mismatches=count_differing_bits(ours, theirs),
    )


def count_differing_bits(ours: Any, theirs: Any) -> int:
    """Return how many float32 numbers differ in a bit; any NaN equals any NaN."""
    differ = ours.view(np.int32) != theirs.view(np.int32)
    return int((differ & ~(np.isnan(ours) & np.isnan(theirs))).sum())
