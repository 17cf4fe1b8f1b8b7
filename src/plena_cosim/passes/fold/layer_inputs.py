"""LayerRunner: a decoder run layer by layer, with the activations of one layer in memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from .probe import evaluating

_Call = tuple[tuple[Any, ...], dict[str, Any]]


class LayerRunner:
    """The layers of a decoder with the samples that stand before one of them.

    Attributes:
        layers: the modules in order.
        states: hidden states before the next layer, (1, seqlen, hidden) for each sample.
    """

    def __init__(self, model: nn.Module, names: list[str], tokens: Tensor) -> None:
        """Run the embedding on all samples, and the whole model on the first.

        Args:
            model: the decoder.
            names: of its layers.
            tokens: (n, seqlen) token ids; all samples have the same length, so that masks and
                positions of the first hold for each.
        """
        if tokens.ndim != 2 or not tokens.numel() or tokens.is_floating_point():
            raise FormatError(
                f"calibration tokens must be whole numbers of shape (samples, seqlen), got "
                f"{tokens.dtype} {tuple(tokens.shape)}"
            )
        self.model = model
        self.layers = [model.get_submodule(name) for name in names]
        self.calls: list[_Call] = []
        device = model.get_input_embeddings().weight.device  # type: ignore[operator]
        samples = tokens.to(device).split(1)  # type: ignore[no-untyped-call]
        self.states = [self._before_layers(sample) for sample in samples]
        self._note_calls(samples[0])

    @torch.no_grad()
    def run(self, index: int, sample: int) -> None:
        """Take one sample through one layer; it has to stand before it."""
        args, kwargs = self.calls[index]
        with evaluating(self.layers[index]):
            output = self.layers[index](self.states[sample], *args, **kwargs)
        self.states[sample] = output[0] if isinstance(output, tuple) else output

    def _before_layers(self, sample: Tensor) -> Tensor:
        found: list[Tensor] = []

        def stop(module: nn.Module, args: Any, kwargs: Any) -> None:
            found.append(_split(args, kwargs)[0])
            raise _Reached

        handle = self.layers[0].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self._read(sample)
        except _Reached:
            pass
        finally:
            handle.remove()
        return found[0]

    def _note_calls(self, sample: Tensor) -> None:
        def note(module: nn.Module, args: Any, kwargs: Any) -> None:
            self.calls.append(_split(args, kwargs)[1:])

        handles = [layer.register_forward_pre_hook(note, with_kwargs=True) for layer in self.layers]
        try:
            self._read(sample)
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def _read(self, sample: Tensor) -> None:
        with evaluating(self.model):
            self.model(input_ids=sample, use_cache=False)


class _Reached(Exception):  # noqa: N818
    """The layers are reached."""


def _split(args: Any, kwargs: Any) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """Return the hidden states of a layer's call, and the rest of it."""
    if args:
        return args[0], args[1:], kwargs
    rest = dict(kwargs)
    return rest.pop("hidden_states"), (), rest
