"""Attention on quantised operands: hooks that fit every family of transformers' models.

Nothing is forked. Three seams are used, and all models have them: the rotary embedding is a
function that the module's forward looks up by name, keys and values go through `cache.update`, and
the rest is an attention function that the model looks up in transformers' registry.
"""

from __future__ import annotations

import dis
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from plena_cosim.fakequant.step_by_step import uncompiled
from plena_cosim.golden import FormatError, HardwareConfig

from ..modules.phase import PhaseClock
from ..recipe.formats import AttentionFormats, KvPosition
from ..recipe.recipe import KvHandover, Phase
from .arithmetic import check_machine
from .core import AttentionCore
from .kv_writer import KvWriter
from .rotation import check_handover, resolved

IMPLEMENTATION = "plena"
_CORE = "plena_attention"
_BEFORE = "plena_attention_before"
_ROPE = "apply_rotary_pos_emb"


def check(
    module: nn.Module,
    formats: AttentionFormats,
    *,
    hw: HardwareConfig | None,
    handover: KvHandover,
    where: str,
) -> None:
    """Refuse an attention module that cannot be quantised as `install` would.

    Args:
        module: an attention module.
        formats: of its operations in one phase.
        hw: the machine of exact numerics; None for fake numerics.
        handover: what decode makes of the cache of prefill.
        where: for messages.

    Raises:
        FormatError: it is not transformers', or has not what the formats are about.
    """
    forward = inspect.unwrap(type(module).forward)
    name = type(module).__name__
    if "past_key_values" not in inspect.signature(forward).parameters:
        raise FormatError(
            f"{where}: {name}.forward takes no past_key_values; only attention modules of "
            "transformers 5 can be quantised inside"
        )
    loaded = {step.argval for step in dis.get_instructions(forward) if "GLOBAL" in step.opname}
    rotary = sorted(given for given in loaded if "rotary" in given or "rope" in given)
    before = formats.kv_position is KvPosition.PRE_ROPE
    if _ROPE not in rotary and (formats.rope is not None or before):
        raise FormatError(
            f"{where}: {name} has no {_ROPE}; remove the rope table and position = "
            '"pre_rope", or use bypass = true'
        )
    if hw is not None and rotary not in ([], [_ROPE]):
        raise FormatError(
            f"{where}: {name} turns keys by {', '.join(rotary)}, and exact numerics follow "
            f"{_ROPE} only; use fake numerics or bypass = true"
        )
    if before and handover is KvHandover.REQUANTIZE:
        raise FormatError(
            f'{where}: keys of position = "pre_rope" cannot be quantised again once they are '
            'turned; use kv_handover = "keep" or position = "post_rope"'
        )
    check_machine(module, formats, hw=hw, where=where)
    resolved(module, formats, where)


def check_phases(module: nn.Module, formats: Mapping[Phase, AttentionFormats], where: str) -> None:
    """Raise FormatError where the phases of an attention module cannot share a cache.

    Args:
        module: an attention module.
        formats: for each phase.
        where: for messages.
    """
    check_handover({p: resolved(module, given, where) for p, given in formats.items()}, where)


def install(
    module: nn.Module,
    formats: Mapping[Phase, AttentionFormats],
    *,
    hw: HardwareConfig | None,
    clock: PhaseClock,
    where: str,
) -> None:
    """Make an attention module of transformers quantise, in place.

    Args:
        module: an attention module; its projections are modules of their own.
        formats: for each phase.
        hw: the machine of exact numerics; None for fake numerics.
        clock: says which phase it is.
        where: for messages.

    `check` has said that it can be done.
    """
    formats = {phase: resolved(module, given, where) for phase, given in formats.items()}
    setattr(module, _CORE, AttentionCore(formats, hw=hw, clock=clock, where=where))
    module.forward = partial(_forward, module)  # which can be pickled; a method could not


def core_of(module: nn.Module) -> AttentionCore | None:
    """Return what `install` put into a module."""
    core = getattr(module, _CORE, None)
    return core if isinstance(core, AttentionCore) else None


@uncompiled
def _forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """Run the module's own forward with our rotary embedding and our way into the cache."""
    core = core_of(self)
    assert core is not None
    _require_ours(self, core.where)
    forward = inspect.unwrap(type(self).forward)
    signature = inspect.signature(forward)
    given = signature.bind(self, *args, **kwargs).arguments
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    del given["self"]
    writer = KvWriter(given.get("past_key_values"), core)
    given["past_key_values"] = writer
    names = dict(forward.__globals__)
    if _ROPE in names:
        names[_ROPE] = core.rope_with(names[_ROPE], writer)
    hooked = types.FunctionType(
        forward.__code__, names, forward.__name__, forward.__defaults__, forward.__closure__
    )
    hooked.__kwdefaults__ = forward.__kwdefaults__
    return hooked(self, **given)


def _require_ours(module: nn.Module, where: str) -> None:
    """Raise FormatError where another attention function was chosen after the pass."""
    config = getattr(module, "config", None)
    chosen = getattr(config, "_attn_implementation", IMPLEMENTATION)
    if chosen != IMPLEMENTATION:
        raise FormatError(
            f"{where}: its attention is quantised, and {chosen!r} was chosen for it since, which "
            f'is not; model.set_attn_implementation("{IMPLEMENTATION}") goes back, and another one '
            "is to be chosen before the pass"
        )


def use_in(model: nn.Module) -> None:
    """Have a model of transformers ask for our attention function.

    Modules without quantised attention get the function that the model had before.
    """
    register()
    configs: dict[int, Any] = {}
    for module in model.modules():
        config: Any = getattr(module, "config", None)
        before = getattr(config, "_attn_implementation", IMPLEMENTATION)
        if before != IMPLEMENTATION:
            setattr(module, _BEFORE, before)
            configs[id(config)] = config
    for config in configs.values():
        config._attn_implementation = IMPLEMENTATION


def register() -> None:
    """Tell transformers of our attention function, in this process."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(IMPLEMENTATION, _attend)
    AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)


@uncompiled
def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """The attention function: quantised where a core says so, the model's own elsewhere."""
    core = core_of(module)
    if core is None:
        found: tuple[Tensor, Tensor | None] = _own(module)(
            module, query, key, value, attention_mask, **kwargs
        )
        return found
    if core.leaves_attention():
        query = core.rotator.to_keys(query)
        output, weights = _own(module)(module, query, key, value, attention_mask, **kwargs)
        return core.rotator.from_values(output), weights
    output, weights = core.attend(module, query, key, value, attention_mask, **kwargs)
    return output.transpose(1, 2).contiguous(), weights


def _own(module: nn.Module) -> Callable[..., Any]:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if getattr(module, _BEFORE, None) == "sdpa":
        found: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return found
    eager: Callable[..., Any] = sys.modules[type(module).__module__].eager_attention_forward
    return eager
