"""Strict recipes: a NaN or Inf on its way into a quantised module is an error."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from plena_cosim.golden import FormatError


class FiniteInputs:
    """A forward pre-hook that refuses inputs which are not finite."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise FormatError for the first input with a NaN or Inf."""
        given = [*args, kwargs.get("hidden_states")]
        for tensor in given:
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                continue
            bad = tensor.numel() - int(tensor.isfinite().sum())
            if bad:
                raise FormatError(
                    f"{self.where}: {bad} of {tensor.numel()} input values are NaN or Inf; mend "
                    "the model or its input, or set strict = false in [numerics]"
                )
