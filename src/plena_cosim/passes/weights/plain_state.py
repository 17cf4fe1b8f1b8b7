"""What a quantised module's weights are in a checkpoint of the original module."""

from __future__ import annotations

from torch import Tensor, nn

from plena_cosim.golden import FormatError

from .packed_weight import PackedWeight

_NAMES = {"stored": "weight", "stored_bias": "bias"}
"""Parameters of the original module by the names of a quantised module's stored weights."""


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state dict with values in the place of codes and scales.

    A module that stands for something else than its parts say has a method `plain_state`, which
    returns its tensors by the names of the module that it stands for.

    Args:
        module: quantised, or with quantised modules inside. It is not changed, and shares memory
            with the result.

    Returns:
        Tensors by the names that the original module gives them.

    Raises:
        FormatError: a module computes what no plain weight can stand for, or is still packed.
    """
    state: dict[str, Tensor] = {}
    _collect(module, "", state)
    return state


def _collect(module: nn.Module, prefix: str, state: dict[str, Tensor]) -> None:
    if getattr(module, "rotation", None) is not None and not getattr(module, "dequant", False):
        raise FormatError(
            f"{prefix.rstrip('.')}: rotates its input while it runs (online_rotate), which no "
            "plain weight can stand for; export without it"
        )
    plain = getattr(module, "plain_state", None)
    if plain is not None:
        # A module that stands for something else than its parts say, and knows how.
        try:
            own = plain()
        except FormatError as error:
            raise FormatError(f"{prefix.rstrip('.')}: {error}") from None
        state.update({f"{prefix}{name}".rstrip("."): tensor for name, tensor in own.items()})
        return
    module._save_to_state_dict(state, prefix, keep_vars=False)
    for name, child in module.named_children():
        if not isinstance(child, PackedWeight):
            _collect(child, f"{prefix}{name}.", state)
            continue
        if child.is_packed:
            raise FormatError(f"{prefix}{name}: is still packed; load its codes first")
        plain_name = _NAMES.get(name, name)
        values = getattr(module, plain_name, child.values)
        state[f"{prefix}{plain_name}"] = values.detach()
