"""Export: a quantised model as an ordinary checkpoint of the values that its codes stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..weights.packed_weight import StoredWeight

_NAMES = {"stored": "weight", "stored_bias": "bias"}
"""Parameters of the original module by the names of a twin's stored weights."""


def dequantized_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of the original model with the values of the quantised weights.

    Args:
        model: one that the pass has been through. It is not changed, and shares memory with the
            result.

    Returns:
        Tensors by the names that they had before the pass, without codes and scales.

    Raises:
        FormatError: a module computes what no plain weight can stand for, such as an online
            rotation, or is still packed.
    """
    state: dict[str, Tensor] = {}
    _collect(model, "", state)
    return state


def export_dequantized(model: Any, folder: str | Path) -> None:
    """Write a checkpoint that transformers loads without plena_cosim.

    Weights are the dequantised values, bit for bit: in the dtype of the model where that holds them
    all, else in the narrowest wider one. Activations are not quantised by the result.

    Args:
        model: a transformers model that the pass has been through; it is not changed.
        folder: where config.json and the weights go.

    Raises:
        FormatError: the model is not transformers' own, or as `dequantized_state_dict`.
    """
    if not hasattr(model, "save_pretrained"):
        raise FormatError(
            f"only a transformers model can be exported, got {type(model).__name__}; "
            "dequantized_state_dict gives the weights of any module"
        )
    state = dequantized_state_dict(model)
    dtype = _common_dtype(state, _own_dtype(model))
    fields = model.config.to_dict()
    fields.pop("quantization_config", None)
    with torch.device("meta"):
        plain = type(model)(type(model.config).from_dict(fields))
    floats = {name: t.to(dtype) for name, t in state.items() if t.is_floating_point()}
    plain.load_state_dict({**state, **floats}, assign=True)
    if model.can_generate():
        plain.generation_config = model.generation_config
    plain.save_pretrained(folder)


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
        if not isinstance(child, StoredWeight):
            _collect(child, f"{prefix}{name}.", state)
            continue
        if child.is_packed:
            raise FormatError(f"{prefix}{name}: is still packed; load its codes first")
        plain_name = _NAMES.get(name, name)
        values = getattr(module, plain_name, child.values)
        state[f"{prefix}{plain_name}"] = values.detach()


def _own_dtype(model: Any) -> torch.dtype:
    """Return the dtype of a model's activations; that of its first weight may be wider."""
    saved = getattr(model, "plena_config", None)
    name = None if saved is None else saved.dtype
    dtype: torch.dtype = model.dtype if name is None else getattr(torch, name)
    return dtype


def _common_dtype(state: dict[str, Tensor], dtype: torch.dtype) -> torch.dtype:
    """Return `dtype` where it holds every value, else the narrowest wider one that does."""
    wider = [dtype, *(t for t in (torch.float32, torch.float64) if t.itemsize > dtype.itemsize)]
    floats = [tensor for tensor in state.values() if tensor.is_floating_point()]
    return next(
        (candidate for candidate in wider if all(_holds(candidate, t) for t in floats)), wider[-1]
    )


def _holds(dtype: torch.dtype, values: Tensor) -> bool:
    if values.dtype == dtype:
        return True
    back = values.to(dtype).to(values.dtype)
    return bool(((back == values) | values.isnan()).all())
