"""CalibrationTarget: a module of a layer whose weight is calibrated: a matrix, or one an expert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError, Mx

from ..layers.run import run
from ..modules.quantized_module import CalibratedModule
from ..plan.plan import Plan
from ..recipe.spec_format import SpecFormat
from ..weights.spec_tensor import CalibratedWeight

StoredAs = tuple[torch.Size, Mx | SpecFormat, int]
"""Shape, format and axis of the contraction of a weight."""


@dataclass(frozen=True, kw_only=True)
class CalibrationTarget:
    """A module of a quantised layer, and the weight that it was made from.

    Attributes:
        name: of the module, or of the experts' parameter, in the layer.
        quantized: the quantised module; its observer sees the operands.
        original: the float weight: (out, in), or (experts, out, in), or (experts, in, out) where
            it is transposed.
    """

    name: str
    quantized: CalibratedModule
    original: Tensor

    @property
    def fmt(self) -> Mx | SpecFormat:
        """The format of the weight."""
        fmt = self.quantized.stored.fmt
        assert isinstance(fmt, (Mx, SpecFormat))
        return fmt

    @property
    def place(self) -> str:
        """The module of the layer that is called: the target's own, or that of all its experts."""
        return self.name.rpartition(".")[0] if self.is_expert else self.name

    @property
    def operand(self) -> tuple[Any, ...]:
        """What makes two targets with the same input have the same operand."""
        key = self.quantized.operand_key()
        return (self.name,) if key is None else key

    @property
    def is_expert(self) -> bool:
        """Whether there is a matrix for each expert."""
        return self.quantized.is_expert

    def matrices(self) -> list[Tensor]:
        """Return the matrices to quantise, (out, in), in the basis of their operands."""
        device = self.quantized.stored.values.device
        return self.quantized.matrices(self.original.detach().to(device))

    def in_basis(self, x: Tensor) -> Tensor:
        """Return rows (…, in) in the basis in which weight and operand are multiplied."""
        return self.quantized.in_basis(x)

    def put(self, solved: list[CalibratedWeight]) -> CalibratedWeight:
        """Give the quantised module calibrated matrices, and return them as it stores them.

        Args:
            solved: as `matrices` has them: (out, in), blocks along the last axis; one an expert.

        Raises:
            FormatError: they have another shape or format than the module's weight.
        """
        whole = self.quantized.assembled(solved)
        self.quantized.stored = self.quantized.stored.with_values(whole)
        return whole


def targets_of(layer: nn.Module, quantized: nn.Module, names: list[str]) -> list[CalibrationTarget]:
    """Return the targets that are called so.

    Args:
        layer: in floating point.
        quantized: its quantised copy.
        names: of modules in both, or of parameters of experts; others are passed over.
    """
    return [
        CalibrationTarget(name=name, quantized=made, original=_weight(layer, name))
        for name in names
        if isinstance(made := quantized.get_submodule(name), CalibratedModule)
    ]


def _weight(layer: nn.Module, name: str) -> Tensor:
    """Return a linear layer's weight, or the parameter that is called `name` itself."""
    owner, _, last = name.rpartition(".")
    own = dict(layer.get_submodule(owner).named_parameters(recurse=False))
    return own[last] if last in own else layer.get_submodule(name).get_parameter("weight")


def weights_of(plans: Sequence[Plan], source: str) -> dict[str, StoredAs]:
    """Return shape, format and block axis of every weight that is to be calibrated, by name.

    Args:
        plans: of the whole model.
        source: what the recipe calls itself, for messages.

    Raises:
        FormatError: there is none, one has a format without scales, or it changes between phases.
    """
    found: dict[str, StoredAs] = {}
    for plan in plans:
        asking = [selector for selector in plan.different() if selector.gptq]
        if not asking:
            continue
        where, fmt = plan.where(asking[0]), asking[0].formats.weight
        if not isinstance(fmt, (Mx, SpecFormat)):
            raise FormatError(f"{where}: gptq = true needs a weight format with scales")
        if len(plan.different()) > 1 and plan.input_formats(None) is None:
            raise FormatError(
                f"{where}: gptq = true, but prefill and decode would have different weights; let "
                "them differ in data_in only"
            )
        for part, (shape, axis) in plan.kind.weight_blocks(plan.module, where).items():
            found[f"{plan.name}.{part}" if part else plan.name] = (shape, fmt, axis)
    if not found:
        raise FormatError(
            f"{source} [gptq]: no selector says gptq = true; add it, or remove [gptq]"
        )
    return found


def grouped(
    layer: nn.Module,
    targets: list[CalibrationTarget],
    hidden: Tensor,
    arguments: Mapping[str, Any],
) -> list[list[CalibrationTarget]]:
    """Return targets in the order in which they run, together where they read the same input.

    Args:
        layer: the quantised layer that they are in; it runs once, and is as before then.
        targets: those that the run does not reach come last, each alone.
        hidden: (1, tokens, width), one sample for the layer.
        arguments: what it is called with besides.
    """
    reached: dict[Any, list[CalibrationTarget]] = {}
    inputs: list[Tensor] = []  # kept, so that no two of them share an address

    def note(target: CalibrationTarget) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            given: Tensor = args[0]
            inputs.append(given)
            key = (given.data_ptr(), given.shape, *target.operand)
            reached.setdefault(key, []).append(target)

        return hook

    def see(target: CalibrationTarget) -> Any:
        def observer(expert: int, operand: Tensor, given: Tensor) -> None:
            reached.setdefault(target.name, [target])

        return observer

    hooks = []
    for target in targets:
        if target.is_expert:
            target.quantized.observer = see(target)
        else:
            hooks.append(target.quantized.register_forward_pre_hook(note(target)))
    try:
        run(layer, hidden, dict(arguments))
    finally:
        for hook in hooks:
            hook.remove()
        for target in targets:
            target.quantized.observer = None
    groups = list(reached.values())
    seen = {target.name for group in groups for target in group}
    return groups + [[target] for target in targets if target.name not in seen]
