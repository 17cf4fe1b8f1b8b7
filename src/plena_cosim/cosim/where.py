"""Where in a model an operation is: the module that runs now, and what it is a part of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from plena_cosim.fakequant.backend import part
from plena_cosim.passes.modules.exact_linear import ExactLinear
from plena_cosim.passes.modules.quant_activation import QuantActivation
from plena_cosim.passes.modules.quant_embedding import QuantEmbedding
from plena_cosim.passes.modules.quant_norm import QuantNorm
from plena_cosim.passes.modules.quantized_module import QuantizedModule

_INDEX = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")


@dataclass(kw_only=True)
class Where:
    """Follows a model through its modules.

    Attributes:
        stack: names and modules that run now, outermost first.
    """

    stack: list[tuple[str, nn.Module]] = field(default_factory=list)

    @property
    def module(self) -> str:
        """The name of the module that runs."""
        return self.stack[-1][0] if self.stack else ""

    @property
    def layer(self) -> int | None:
        """The index of the layer that runs; None outside of the stack."""
        found = _INDEX.search(self.module)
        return int(found[1]) if found else None

    @property
    def part(self) -> str:
        """What an operation is a part of."""
        said = part()
        return said or (_part_of(self.stack[-1][1]) if self.stack else "")

    @contextmanager
    def following(self, model: nn.Module) -> Iterator[None]:
        """Follow a model within."""
        with ExitStack() as hooks:
            for name, module in model.named_modules():
                enter, leave = self._hooks(name)
                before = module.register_forward_pre_hook(enter)
                after = module.register_forward_hook(leave, always_call=True)
                hooks.callback(before.remove)
                hooks.callback(after.remove)
            yield

    def _hooks(self, name: str) -> tuple[Any, Any]:
        def enter(module: nn.Module, _given: Any) -> None:
            self.stack.append((name, module))

        def leave(_module: nn.Module, _given: Any, _result: Any) -> None:
            self.stack.pop()

        return enter, leave


def _part_of(module: nn.Module) -> str:
    if isinstance(module, QuantNorm):
        return "layer_norm" if module.centred else "rms_norm"
    if isinstance(module, QuantEmbedding):
        return "embedding"
    if isinstance(module, QuantActivation):
        return "silu"
    if isinstance(module, ExactLinear | QuantizedModule):
        return "matmul"
    return ""


_SUMS = {
    torch.add: "add",
    torch.Tensor.add: "add",
    torch.Tensor.add_: "add",
    torch.mul: "mul",
    torch.Tensor.mul: "mul",
}


class ModelSums(TorchFunctionMode):
    """Within it sums and products of a model's own code go to `takes`: residuals, gate · up.

    Only those of two whole tensors of one shape in the dtype of the vector unit count: sums in a
    layer of the stack itself, products where a gate meets its partner.
    """

    def __init__(self, takes: Any, dtype: torch.dtype, where: Where) -> None:
        super().__init__()
        self.takes, self.dtype, self.where = takes, dtype, where

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Hand over sums and products; run everything else as it is."""
        name = _SUMS.get(func)
        if name is None or kwargs or len(args) != 2 or not self._counts(name, *args):
            return func(*args, **(kwargs or {}))
        return self.takes(name, func, *args)

    def _counts(self, name: str, a: Any, b: Any) -> bool:
        if not self.where.stack or not (isinstance(a, Tensor) and isinstance(b, Tensor)):
            return False
        if a.dtype != self.dtype or b.dtype != self.dtype or a.shape != b.shape:
            return False
        place, module = self.where.stack[-1]
        if name == "add":
            return place.rpartition(".")[2].isdecimal()  # a layer of the stack
        return hasattr(module, "gate_proj")
