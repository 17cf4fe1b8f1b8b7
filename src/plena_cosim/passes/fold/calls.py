"""Calls: how a module of a model is called, to call it again."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

MOST_TOKENS = 1024
"""Calls are kept until they hold so many tokens."""


class Calls:
    """The first calls of a module.

    Attributes:
        module: that is called.
        given: positional and named arguments of each call.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.given: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._tokens = 0

    def watch(self) -> RemovableHandle:
        """Return the hook that notes calls."""
        return self.module.register_forward_pre_hook(self._see, with_kwargs=True)

    def again(self) -> list[Tensor]:
        """Return what the module puts out for each of the calls, the first part of a tuple."""
        found = (self.module(*args, **kwargs) for args, kwargs in self.given)
        return [each if isinstance(each, Tensor) else each[0] for each in found]

    def _see(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._tokens >= MOST_TOKENS:
            return
        self.given.append((args, kwargs))
        x = next(x for x in (*args, *kwargs.values()) if isinstance(x, Tensor))
        self._tokens += x.shape[:-1].numel()
