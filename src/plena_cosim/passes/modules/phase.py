"""Prefill and decode: which of the two a forward pass is, told from the call itself."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.fakequant.step_by_step import uncompiled
from plena_cosim.golden import FormatError

from ..recipe.formats import Format
from ..recipe.recipe import KvHandover, Phase
from ..weights.plain_state import plain_state

LAYER_INDICES = ("layer_idx", "layer_id")
"""What attention modules call the place of their layer in a cache."""
_CACHES = ("past_key_values", "layer_past", "cache_params")
_TOKENS = (
    "decoder_input_ids",
    "decoder_inputs_embeds",
    "input_ids",
    "inputs_embeds",
    "hidden_states",
)
"""What transformers' models call a cache, and what they call tokens, (batch, seqlen, …)."""


class PhaseClock:
    """What a model is doing now. One object for all modules of a model.

    The outermost module that is given a cache decides: a pass over one new token with something in
    the cache is decode, everything else is prefill. What it decides holds until it returns, and in
    its thread alone; outside of such a pass it is prefill.

    Attributes:
        handover: what decode makes of the cache of prefill.
    """

    def __init__(self, handover: KvHandover = KvHandover.KEEP) -> None:
        self.handover = handover
        self._running = _Running()

    @property
    def now(self) -> Phase:
        """The phase of the pass that runs in this thread."""
        return self._running.phase if self._running.alive() else Phase.PREFILL

    def watch(self, model: nn.Module) -> None:
        """Have every module of a model that takes a cache, and the model, say when it is called."""
        for module in model.modules():
            if module is model or _takes_cache(module):
                module.register_forward_pre_hook(self._enter, with_kwargs=True, prepend=True)
                module.register_forward_hook(self._leave, always_call=True)

    @uncompiled
    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._running.alive():
            return
        given = _by_name(module, args, kwargs)
        if not any(name in given for name in _CACHES):
            return  # one of its parts will tell
        caches = [given[name] for name in _CACHES if given.get(name) is not None]
        tokens = [given[name] for name in _TOKENS if given.get(name) is not None]
        if not tokens:
            tokens = [given for given in args if isinstance(given, Tensor)]
        one = bool(tokens) and tokens[0].ndim > 1 and tokens[0].shape[1] == 1
        decodes = one and bool(caches) and _holds_tokens(caches[0], module)
        self._running.start(module, Phase.DECODE if decodes else Phase.PREFILL)

    @uncompiled
    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._running.module is module:
            self._running.stop()

    def __reduce__(self) -> tuple[type[PhaseClock], tuple[KvHandover]]:
        """Copy and pickle without the pass that runs."""
        return type(self), (self.handover,)


class _Running(threading.local):
    """The outermost pass of a thread, while it runs.

    Whether it still does is asked of the interpreter's stack: an interrupt (Ctrl-C in a notebook)
    leaves a module without its hooks being called.
    """

    module: nn.Module | None = None
    phase = Phase.PREFILL
    frame: FrameType | None = None

    def start(self, module: nn.Module, phase: Phase) -> None:
        calls: FrameType | None = sys._getframe()
        while calls is not None and calls.f_globals.get("__name__") != nn.Module.__module__:
            calls = calls.f_back
        self.module, self.phase, self.frame = module, phase, calls

    def stop(self) -> None:
        self.module, self.phase, self.frame = None, Phase.PREFILL, None

    def alive(self) -> bool:
        if self.frame is None:
            return False
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self.frame:
            frame = frame.f_back
        if frame is None:
            self.stop()
        return frame is not None


def _takes_cache(module: nn.Module) -> bool:
    return any(name in inspect.signature(type(module).forward).parameters for name in _CACHES)


def _by_name(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name; what has none is left out."""
    signature = inspect.signature(type(module).forward)
    try:
        given = signature.bind_partial(module, *args, **kwargs).arguments
    except TypeError:
        return kwargs  # a forward that was put over the class's own, with other arguments
    if any(name in signature.parameters for name in _CACHES):
        given.setdefault(next(name for name in _CACHES if name in signature.parameters), None)
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    return given


def _holds_tokens(cache: Any, module: nn.Module) -> bool:
    """Return whether the layers of a cache that a module uses have been written to.

    A module may be one layer of many, and those before it have had the new token already.
    """
    used = [
        index
        for part in module.modules()
        for name in LAYER_INDICES
        if isinstance(index := getattr(part, name, None), int)
    ]
    layers = getattr(cache, "layers", None)
    if used and layers is not None:
        return any(_is_written(layers[index]) for index in used if 0 <= index < len(layers))
    return _is_written(cache)


def _is_written(cache: Any) -> bool:
    """Return whether a cache, or one layer of it, holds something."""
    if hasattr(cache, "get_seq_length"):
        return int(cache.get_seq_length()) > 0
    states = getattr(cache, "has_previous_state", False)
    return any(states.values()) if isinstance(states, dict) else bool(states)


class PhasedFormat:
    """The format of an input that is another in each phase."""

    def __init__(self, formats: Mapping[Phase, Format | None], clock: PhaseClock) -> None:
        self.formats, self.clock = dict(formats), clock

    @property
    def now(self) -> Format | None:
        """The format of the phase that the model is in."""
        return self.formats[self.clock.now]


def in_phase(fmt: Format | PhasedFormat | None) -> Format | None:
    """Return the format of the phase that the model is in, of one that may change with it."""
    return fmt.now if isinstance(fmt, PhasedFormat) else fmt


class PhaseSwitch(nn.Module):
    """Two quantised modules in the place of one, one for each phase."""

    def __init__(self, prefill: nn.Module, decode: nn.Module, clock: PhaseClock) -> None:
        super().__init__()
        self.prefill, self.decode, self.clock = prefill, decode, clock

    @property
    def weight(self) -> Any:
        """The weight of the phase that the model is in."""
        return self.active().weight

    def active(self) -> nn.Module:
        """Return the module of the phase that the model is in."""
        return self.decode if self.clock.now is Phase.DECODE else self.prefill

    def plain_state(self) -> dict[str, Tensor]:
        """Return the weights that both modules have; FormatError where they differ."""
        prefill, decode = plain_state(self.prefill), plain_state(self.decode)
        if any(not torch.equal(tensor, decode[name]) for name, tensor in prefill.items()):
            raise FormatError(
                "has other weights in prefill than in decode, which a plain checkpoint cannot "
                "hold; give both phases the same weight formats"
            )
        return prefill

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module of the phase that the model is in."""
        return self.active()(*args, **kwargs)
