"""carry_hooks: what users hung on a module, on the module that takes its place."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
)


def carry_hooks(before: nn.Module, after: nn.Module) -> None:
    """Give a module the forward and backward hooks of the one whose place it takes.

    The dicts themselves go over, so that handles still remove what they stand for. Hooks that make
    a weight before each call (torch.nn.utils.weight_norm and its like) stay behind: the weight that
    they made is the one that was quantised.

    Args:
        before: the module that goes.
        after: the module that comes, without hooks of its own.
    """
    if before is after:
        return
    made_weights = [
        key
        for key, hook in before._forward_pre_hooks.items()
        if type(hook).__module__.startswith("torch.nn.utils.")
    ]
    for key in made_weights:
        del before._forward_pre_hooks[key]
    for name in _HOOKS:
        setattr(after, name, getattr(before, name))
        setattr(before, name, OrderedDict())  # it may stay, as one phase of the other
    after._is_full_backward_hook = before._is_full_backward_hook
