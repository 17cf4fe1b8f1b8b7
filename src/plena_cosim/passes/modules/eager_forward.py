"""EagerForward: keep a quantised model, and each part of it, out of compiled graphs."""

from __future__ import annotations

import inspect
from typing import Any
from weakref import ref

from torch import nn

from plena_cosim.fakequant.step_by_step import uncompiled

from .quantized_module import QuantizedModule


class EagerForward:
    """A module's own forward, which torch.compile leaves as it is.

    What a recipe leaves in float stands between what it quantises: where a compiler sums or
    multiplies that otherwise, operands differ in the last bit, and some then round the other way.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = ref(module)  # a circle would keep the weights until garbage is collected

    @property
    def module(self) -> nn.Module:
        """Whose forward it is."""
        module = self._module()
        if module is None:
            raise ReferenceError("the module that this forward belongs to is gone; keep the module")
        return module

    @property
    def __signature__(self) -> inspect.Signature:
        """The arguments of the module's own forward: transformers looks at them."""
        signature = inspect.signature(type(self.module).forward)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the forward of the module's class."""
        return _run(self, *args, **kwargs)

    def __getstate__(self) -> nn.Module:
        """Copy and pickle the module itself."""
        return self.module

    def __setstate__(self, module: nn.Module) -> None:
        """Be the forward of the copy."""
        self._module = ref(module)


@uncompiled
def _run(forward: EagerForward, *args: Any, **kwargs: Any) -> Any:
    module = forward.module
    return type(module).forward(module, *args, **kwargs)


def run_eagerly(model: nn.Module) -> None:
    """Have a model and its parts run outside of compiled graphs.

    Parts without parts of their own compile as before, but for quantised ones, and so does what had
    another forward put over its own.
    """
    for module in model.modules():
        if (
            any(True for _ in module.children())
            and not isinstance(module, (QuantizedModule, nn.ModuleList, nn.ModuleDict))
            and "forward" not in vars(module)
        ):
            module.forward = EagerForward(module)
