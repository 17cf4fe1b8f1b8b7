"""Probe: what flows through the modules of a model while it reads a few tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..layers.evaluating import evaluating

_TOKENS = 7


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One call of a module.

    Attributes:
        taken: the first floating-point tensor that it was called with; None: there was none.
        given: the first that it returned.
    """

    taken: Tensor | None
    given: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """All calls of one pass.

    Attributes:
        calls: by the module's name; tensors are kept, so no memory is used twice.
    """

    calls: dict[str, list[Flow]] = field(default_factory=dict)

    def taken(self, name: str) -> Tensor:
        """Return what a module was called with."""
        return self._tensor(name, self._one(name).taken)

    def given(self, name: str) -> Tensor:
        """Return what a module answered."""
        return self._tensor(name, self._one(name).given)

    def reads(self, name: str, tensor: Tensor) -> bool:
        """Return whether a module was called with this tensor."""
        return any(
            flow.taken is not None and same(flow.taken, tensor) for flow in self.calls.get(name, [])
        )

    def _one(self, name: str) -> Flow:
        calls = self.calls.get(name, [])
        if len(calls) != 1:
            raise FormatError(
                f"{name}: runs {len(calls)} times while the model reads tokens; folding needs once"
            )
        return calls[0]

    def _tensor(self, name: str, tensor: Tensor | None) -> Tensor:
        if tensor is None:
            raise FormatError(f"{name}: takes or gives no tensor, so its part is not known")
        return tensor


def run_probe(model: nn.Module) -> Probe:
    """Have the model read a few tokens and return what flowed.

    Raises:
        FormatError: a module gives NaN or infinity.
    """
    probe = Probe()

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            given = [kwargs.get("hidden_states"), *args, *kwargs.values()]
            flow = Flow(taken=_first_tensor(given), given=_first_tensor([output]))
            probe.calls.setdefault(name, []).append(flow)

        return hook

    handles = [
        module.register_forward_hook(note(name), with_kwargs=True)
        for name, module in model.named_modules()
        if name
    ]
    try:
        read(model)
    finally:
        for handle in handles:
            handle.remove()
    for name, flows in probe.calls.items():
        if any(flow.given is not None and not flow.given.isfinite().all() for flow in flows):
            raise FormatError(
                f"{name}: gives NaN or infinity on a few tokens; check weights and dtype"
            )
    return probe


@torch.no_grad()
def read(model: nn.Module) -> Any:
    """Return the model's answer to a few tokens, without dropout."""
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    count, device = embedding.weight.shape[0], embedding.weight.device
    ids = torch.arange(1, _TOKENS + 1, device=device)[None] * max(1, count // 16) % count
    with evaluating(model):
        return model(input_ids=ids, use_cache=False)


def same(first: Tensor, second: Tensor) -> bool:
    """Return whether two tensors are one memory, maybe in other shapes."""
    return first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def near(first: Tensor, second: Tensor) -> bool:
    """Return whether two sums of the same terms agree, up to rounding of their dtype."""
    if first.numel() != second.numel():
        return False
    left, right = first.double().flatten(), second.double().flatten()
    tolerance = 8 * max(torch.finfo(first.dtype).eps, torch.finfo(second.dtype).eps)
    return bool((left - right).norm() <= tolerance * right.norm())


def _first_tensor(values: list[Any]) -> Tensor | None:
    for value in values:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value
        if isinstance(value, (tuple, list)) and (inner := _first_tensor(list(value))) is not None:
            return inner
    return None
