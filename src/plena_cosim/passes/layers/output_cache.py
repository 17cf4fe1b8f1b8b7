"""OutputCache: a layer that runs on the same batches again and again computes each module once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor, nn

from .run import input_of, replaced, run

_BUDGET = 2 * 2**30


class OutputCache:
    """A layer whose weights are found one after the other, and what its modules have put out.

    A module that has come to its end before any weight was used that is still to be found puts out
    the same whenever it runs on that batch. So it does not run again, and what modules inside of it
    have put out is forgotten.

    Attributes:
        layer: of a model, or its quantised copy.
        waiting: names of the modules whose weights are still to be found.
    """

    def __init__(self, layer: nn.Module, *, budget: int = _BUDGET) -> None:
        """Hold nothing yet.

        Args:
            layer: whose weights change only in modules of `waiting`.
            budget: bytes to keep; what is beyond is computed again.
        """
        self.layer = layer
        self.waiting: Collection[str] = ()
        self._kept: dict[tuple[int, str], _Output] = {}
        self._repeated: set[str] = set()
        self._budget = budget

    def run(self, batch: int, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
        """Return what the layer makes of a batch; see `run`.

        Args:
            batch: its number; hidden states and arguments are those that it always has.
            hidden: (samples, tokens, width).
            arguments: what the layer is called with besides.
        """
        with replaced(self._forwards(batch)):
            return run(self.layer, hidden, arguments)

    def run_all(self, batches: list[Tensor], arguments: dict[str, Any]) -> list[Tensor]:
        """Return what the layer makes of all batches, on the CPU.

        Args:
            batches: (samples, tokens, width), by their numbers.
            arguments: what the layer is called with besides.
        """
        return [self.run(number, batch, arguments).cpu() for number, batch in enumerate(batches)]

    def input_of(self, name: str, batch: int, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
        """Return what a module of the layer is called with; the layer stops there.

        Args:
            name: of the module in the layer.
            batch: its number, as in `run`.
            hidden: (samples, tokens, width).
            arguments: what the layer is called with besides.
        """
        with replaced(self._forwards(batch)):
            return input_of(self.layer.get_submodule(name), self.layer, hidden, arguments)

    def _forwards(self, batch: int) -> list[tuple[nn.Module, Callable[..., Any]]]:
        """Return each module of the layer and what it does in one run."""
        begun: set[str] = set()
        settled = True

        def cached(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal settled
                if name in begun:  # which of several calls an output is of cannot be told
                    self._repeated.add(name)
                    self._forget(batch, name)
                begun.add(name)
                kept = self._kept.get((batch, name))
                if kept is not None and kept.is_whole():
                    return kept.value
                settled = settled and name not in self.waiting
                value = forward(*args, **kwargs)
                if settled and name not in self._repeated:
                    self._keep(batch, name, value)
                return value

            return call

        inside = [(name, module) for name, module in self.layer.named_modules() if name]
        return [(module, cached(name, module.forward)) for name, module in inside]

    def _keep(self, batch: int, name: str, value: Any) -> None:
        self._forget(batch, name)
        output = _Output.of(value)
        if output is None or output.size > self._budget:
            return
        self._kept[batch, name] = output
        self._budget -= output.size

    def _forget(self, batch: int, name: str) -> None:
        """Forget a module and all inside of it."""
        for key in list(self._kept):
            if key[0] == batch and f"{key[1]}.".startswith(f"{name}."):
                self._budget += self._kept.pop(key).size


class _Output:
    """What a module has put out: a tensor, or a tuple of tensors and None."""

    def __init__(self, value: Any, tensors: list[Tensor]) -> None:
        self.value, self._tensors = value, tensors
        self._versions = [tensor._version for tensor in tensors]
        self.size = sum(tensor.nbytes for tensor in tensors)

    @classmethod
    def of(cls, value: Any) -> _Output | None:
        """Return one, or None for what is something else, or cannot be told to have changed."""
        parts = value if isinstance(value, tuple) else (value,)
        tensors = [part for part in parts if isinstance(part, Tensor)]
        others = [part for part in parts if part is not None and not isinstance(part, Tensor)]
        if others or any(tensor.is_inference() for tensor in tensors):
            return None
        return cls(value, tensors)

    def is_whole(self) -> bool:
        """Return whether nothing was written into it since."""
        return [tensor._version for tensor in self._tensors] == self._versions
