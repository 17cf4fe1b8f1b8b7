"""quantize_module_transform_pass: replace the modules that a recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

import torch
from torch import nn

from plena_cosim.fakequant import quantize_mx
from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.golden import FormatError, HardwareConfig

from .exact_linear import ExactLinear, operand_formats
from .fake_linear import FakeLinear
from .match import choose
from .module_info import ModuleInfo, module_info
from .quant_config import LinearFormats, PassArgs, Selector, read_quant_config
from .remember import remember_recipe

_Model = TypeVar("_Model", bound=nn.Module)


class Numerics(Enum):
    """Who computes the products of a quantised layer."""

    FAKE = "fake"
    """torch, on quantised operands."""
    EXACT = "exact"
    """The matrix unit, bit for bit."""


def quantize_module_transform_pass(
    model: _Model,
    pass_args: PassArgs | Mapping[str, Any],
    *,
    numerics: Numerics | str = Numerics.FAKE,
    hw: HardwareConfig | None = None,
) -> tuple[_Model, dict[str, ModuleInfo]]:
    """Replace each nn.Linear that a recipe chooses by its quantised twin, in place.

    Args:
        model: any module; it is changed, and returned for convenience.
        pass_args: from `load_quant_config`, or the tables of such a file as a dict.
        numerics: "fake" (quantised operands, torch's product) or "exact" (the matrix unit's).
        hw: the machine of exact numerics; what the recipe's [hardware] names, else the default one.

    Returns:
        The model, and for each replaced module by name what it became. A weight that is shared with
        another module (tied embeddings) is copied first: the other one keeps its values, and a
        Hugging Face model is told that the two are no longer tied.

    Raises:
        FormatError: a selector matches nothing, a weight is not finite, or exact numerics cannot
            take a layer. Nothing has been replaced then.
    """
    recipe = pass_args if isinstance(pass_args, PassArgs) else read_quant_config(dict(pass_args))
    try:
        kind = Numerics(numerics)
    except ValueError:
        known = ", ".join(member.value for member in Numerics)
        raise FormatError(f"unknown numerics {numerics!r}; known: {known}") from None
    machine = hw or recipe.hardware or HardwareConfig()
    chosen = choose(model, recipe)
    users = _users(model)
    layers = {name: _linear(model, name) for name in chosen}
    for name, selector in chosen.items():
        _check_layer(name, layers[name], selector, recipe, kind, machine)
    info = {}
    for name, selector in chosen.items():
        layer = layers[name]
        untied = len(users[id(layer.weight)]) > 1
        info[name] = _info(layer, selector, kind, untied)
        twin = (
            FakeLinear(layer, selector.formats)
            if kind is Numerics.FAKE
            else ExactLinear(layer, selector.formats, machine)
        )
        model.set_submodule(name, twin.train(layer.training))
    if any(entry.untied for entry in info.values()):
        _forget_ties(model)
    remember_recipe(model, recipe, kind.value, machine)
    return model, info


def _linear(model: nn.Module, name: str) -> nn.Linear:
    module = model.get_submodule(name)
    assert isinstance(module, nn.Linear)
    return module


def _check_layer(
    name: str,
    layer: nn.Linear,
    selector: Selector,
    recipe: PassArgs,
    kind: Numerics,
    machine: HardwareConfig,
) -> None:
    where = f"{recipe.source} [{selector.key}]: module {name!r}"
    for role, values in (("weight", layer.weight), ("bias", layer.bias)):
        if values is not None and not bool(values.isfinite().all()):
            raise FormatError(f"{where}: its {role} holds a NaN or Inf and cannot be quantised")
    if kind is Numerics.EXACT:
        try:
            operand_formats(selector.formats)
        except FormatError as error:
            raise FormatError(f"{where}: {error}") from None
        _require_holds(layer.weight.dtype, machine, where)


def _require_holds(dtype: torch.dtype, machine: HardwareConfig, where: str) -> None:
    vector = machine.vector_format
    info = torch.finfo(dtype)
    fits = (
        (value_dtype(vector) == torch.float32 or dtype == torch.float64)
        and 2.0**-vector.man_bits >= info.eps
        and vector.max_value <= info.max
    )
    if not fits:
        raise FormatError(
            f"{where}: {dtype} cannot hold the machine's vector format {vector.name}; "
            "load the model in float32"
        )


def _users(model: nn.Module) -> dict[int, set[int]]:
    """Return the modules that own each parameter, both by id."""
    users: dict[int, set[int]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(id(parameter), set()).add(id(module))
    return users


def _info(layer: nn.Linear, selector: Selector, kind: Numerics, untied: bool) -> ModuleInfo:
    formats: LinearFormats = selector.formats
    weight = layer.weight.detach()
    after = None if formats.weight is None else quantize_mx(weight, formats.weight)
    return module_info(
        weight, after, formats, selector=selector.key, numerics=kind.value, untied=untied
    )


def _forget_ties(model: nn.Module) -> None:
    config = getattr(model, "config", None)
    if getattr(config, "tie_word_embeddings", False):
        config.tie_word_embeddings = False  # type: ignore[union-attr]
