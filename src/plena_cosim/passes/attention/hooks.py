"""Attention on quantised operands: hooks that fit the families of transformers' models.

Three seams are used, and nearly all models have them: the rotary embedding is a function that the
module's forward looks up by name, keys and values go through `cache.update`, and the rest is an
attention function that the model looks up in transformers' registry. What is different where a
family does the rest in code of its own is in own_scores.py.
"""

from __future__ import annotations

import copy
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
from .kv_writer import before_cache
from .own_scores import OwnScores, ScoresMethod
from .rotation import check_handover, holds_latents, resolved
from .seams import CACHES, Seams, seams_of

IMPLEMENTATION = "plena"
_CORE = "plena_attention"
_BEFORE = "plena_attention_before"
_CONFIG = "plena_attention_config"


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
    seams, name = seams_of(module), type(module).__name__
    if seams.cache is None:
        raise FormatError(
            f"{where}: {name}.forward takes no {' or '.join(CACHES)}; only attention modules of "
            "transformers 5 can be quantised inside"
        )
    _check_scores(module, seams, formats, hw=hw, where=f"{where}: {name}")
    _check_rope(module, seams, formats, hw=hw, where=f"{where}: {name}")
    if formats.kv_position is KvPosition.PRE_ROPE and handover is KvHandover.REQUANTIZE:
        raise FormatError(
            f'{where}: keys of position = "pre_rope" cannot be quantised again once they are '
            'turned; use kv_handover = "keep" or position = "post_rope"'
        )
    check_machine(module, formats, hw=hw, where=where)
    resolved(module, formats, where)


def _check_scores(
    module: nn.Module,
    seams: Seams,
    formats: AttentionFormats,
    *,
    hw: HardwareConfig | None,
    where: str,
) -> None:
    """Refuse a module whose scores, where formats concern them, cannot be computed otherwise."""
    if getattr(module, "is_cross_attention", False):
        raise FormatError(
            f"{where} attends the tokens of an encoder; only attention of a model's own tokens can "
            "be quantised inside; use bypass = true"
        )
    if seams.extras:
        raise FormatError(
            f"{where} gives its attention function {', '.join(seams.extras)}, which cannot be "
            "followed; use bypass = true"
        )
    operations = (formats.qk_matmul, formats.av_matmul, formats.softmax, formats.softmax_out)
    rotations = (formats.qk_rotate, formats.av_rotate, formats.kv_rotate)
    concerned = hw is not None or any(each is not None for each in operations) or any(rotations)
    if concerned and not seams.known_scores:
        raise FormatError(
            f"{where} computes its scores in code of its own, which is not among those that are "
            "known; with fake numerics kv_cache and rope can be quantised, or use bypass = true"
        )
    if isinstance(seams.family, OwnScores) and (reason := seams.family.refusal(module)):
        raise FormatError(f"{where}: {reason}")


def _check_rope(
    module: nn.Module,
    seams: Seams,
    formats: AttentionFormats,
    *,
    hw: HardwareConfig | None,
    where: str,
) -> None:
    """Refuse a rotary embedding that cannot be followed, or is not there."""
    before = formats.kv_position is KvPosition.PRE_ROPE
    if (formats.rope is not None or before) and not seams.turns(module):
        how = (
            f"turns queries and keys by {', '.join(seams.unknown)}, whose operands are not known"
            if seams.unknown
            else "has no rotary embedding"
        )
        raise FormatError(
            f'{where} {how}; remove the rope table and position = "pre_rope", or use bypass = true'
        )
    if hw is not None and seams.unknown:
        raise FormatError(
            f"{where} turns queries and keys by {', '.join(seams.unknown)}, whose operands are not "
            "known, so that exact numerics cannot follow it; use fake numerics or bypass = true"
        )
    if before and holds_latents(module):
        raise FormatError(
            f'{where} caches latents, which are not turned; use position = "post_rope"'
        )
    if before and not seams.turns_pairs():
        raise FormatError(
            f"{where} turns queries and keys by one function of one tensor, which does not say "
            'which of the two it is given; use position = "post_rope"'
        )


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
    family = seams_of(module).family
    if isinstance(family, ScoresMethod):
        setattr(module, family.method, partial(_scores, module))


def core_of(module: nn.Module) -> AttentionCore | None:
    """Return what `install` put into a module."""
    core = getattr(module, _CORE, None)
    return core if isinstance(core, AttentionCore) else None


@uncompiled
def _forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """Run the module's own forward with our rotary embedding and our way into the cache."""
    core, seams = core_of(self), seams_of(self)
    assert core is not None
    assert seams.cache is not None
    _require_ours(self, core.where)
    forward = inspect.unwrap(type(self).forward)
    signature = inspect.signature(forward)
    given = signature.bind(self, *args, **kwargs).arguments
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    del given["self"]
    if isinstance(seams.family, ScoresMethod):
        seams.family.check_cache(given.get(seams.cache), core.where)
    given[seams.cache], writer = before_cache(
        given.get(seams.cache), core, of_encoder=given.get("key_value_states") is not None
    )
    own = forward.__globals__
    ropes = {name: core.rope_with(own[name], writer) for name in seams.rotary}
    if isinstance(seams.family, OwnScores):
        rope = next(iter(ropes.values()), None)
        return seams.family.forward(self, given, core, writer=writer, rope=rope)
    hooked = types.FunctionType(
        forward.__code__,
        {**own, **ropes},
        forward.__name__,
        forward.__defaults__,
        forward.__closure__,
    )
    hooked.__kwdefaults__ = forward.__kwdefaults__
    return hooked(self, **given)


def _scores(
    self: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Stand in the place of a module's own method for all that follows the cache."""
    core, family = core_of(self), seams_of(self).family
    assert core is not None
    assert isinstance(family, ScoresMethod)
    return family.attend(self, core, (query, key, value), attention_mask)


def _require_ours(module: nn.Module, where: str) -> None:
    """Raise FormatError where another attention function was chosen after the pass."""
    config = getattr(module, "config", getattr(module, _CONFIG, None))
    chosen = getattr(config, "_attn_implementation", IMPLEMENTATION)
    if chosen != IMPLEMENTATION:
        back = f'model.set_attn_implementation("{IMPLEMENTATION}")'
        if config is not getattr(module, "config", None):  # transformers would not follow
            back = f'model.config._attn_implementation = "{IMPLEMENTATION}"'
        raise FormatError(
            f"{where}: its attention is quantised, and {chosen!r} was chosen for it since, which "
            f"is not; {back} goes back, and another one "
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
    for name, module in model.named_modules():
        if core_of(module) is not None and not hasattr(module, "config"):
            setattr(module, _CONFIG, _config_around(model, name))
    for module in model.modules():
        if hasattr(module, _BEFORE) and core_of(module) is None and _tells_names(module):
            _choose_as_before(module)


def _config_around(model: nn.Module, name: str) -> Any:
    """Return the configuration by which a model makes the masks of a module that holds none."""
    while name:
        name = name.rpartition(".")[0]
        config = getattr(model.get_submodule(name), "config", None)
        if config is not None:
            return config
    return None


def _tells_names(module: nn.Module) -> bool:
    """Return whether a module's own code does this or that by the name of its function."""
    forward = inspect.unwrap(type(module).forward)
    if not isinstance(forward, types.FunctionType) or not hasattr(module, "layer_idx"):
        return False
    seams = seams_of(module)
    return isinstance(seams.family, OwnScores) or bool(seams.extras)


def _choose_as_before(module: nn.Module) -> None:
    """Have a module whose own code tells functions by their name find the name it had."""
    config: Any = copy.copy(module.config)
    config._attn_implementation = getattr(module, _BEFORE)
    module.config = config


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
