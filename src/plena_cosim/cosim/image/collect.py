"""The tensors of a quantised model that lie in HBM: weights, and KV and inputs of a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, Mx
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.modules.exact_linear import ExactLinear
from plena_cosim.passes.modules.fake_linear import FakeLinear
from plena_cosim.passes.modules.hadamard import rotate_online
from plena_cosim.passes.recipe.draws import draw_options
from plena_cosim.passes.weights.packed_weight import PackedWeight

from .matrix import Matrix

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")


def layers_of(given: str) -> frozenset[int]:
    """Return the numbers of a list such as "0-2,7"; FormatError where it is none."""
    found: set[int] = set()
    for part in given.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise FormatError(f"--layers {given!r} is no list of numbers such as 0-2,7")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def weights(model: nn.Module, layers: frozenset[int] | None) -> Iterator[Matrix]:
    """Yield the weights in MX formats, in the model's order.

    Args:
        model: that the pass has been through.
        layers: of which decoder layers; None: of the whole model.
    """
    for name, module in model.named_modules():
        if not isinstance(module, PackedWeight) or not isinstance(module.fmt, Mx):
            continue
        if _chosen(name, layers):
            try:
                yield Matrix.of(name, _exact(module), kind="weight")
            except FormatError as error:
                raise FormatError(f"{name}: {error}") from None


def left_out(model: nn.Module) -> dict[str, str]:
    """Return the quantised weights that have no blocks, and so no image, with their format."""
    return {
        name: "as it was" if module.fmt is None else module.fmt.name
        for name, module in model.named_modules()
        if isinstance(module, PackedWeight) and not isinstance(module.fmt, Mx)
    }


def of_prompt(model: Any, tokens: Tensor, layers: frozenset[int] | None) -> Iterator[Matrix]:
    """Yield what a prompt puts into memory: inputs of linear layers, then keys and values.

    Args:
        model: that the pass has been through.
        tokens: ids (n,).
        layers: of which decoder layers; None: of all, and of the head.

    Raises:
        FormatError: keys or values of the cache are not what their format would store again.
    """
    inputs: dict[str, Matrix] = {}

    def note(name: str, module: FakeLinear | ExactLinear, x: Tensor) -> None:
        if isinstance(module.data_in, Mx):
            inputs[name] = Matrix.of(f"{name}.input", _operand(module, x), kind="activation")

    hooks = [
        module.register_forward_pre_hook(
            lambda module, args, name=name: note(name, module, args[0])
        )
        for name, module in model.named_modules()
        if isinstance(module, (FakeLinear, ExactLinear)) and _chosen(name, layers)
    ]
    try:
        with torch.no_grad():
            cache = model(tokens[None], use_cache=True).past_key_values
    finally:
        for hook in hooks:
            hook.remove()
    yield from inputs.values()
    for name, module in model.named_modules():
        core = core_of(module)
        if core is None or not _chosen(f"{name}.", layers):
            continue
        fmt = core.now.kv_cache
        layer = getattr(cache, "layers", {})[getattr(module, "layer_idx", 0)]
        for kind, x in (("key", layer.keys), ("value", layer.values)):
            if isinstance(fmt, Mx):
                yield Matrix.of(f"{name}.{kind}", _again(x, fmt, f"{name}.{kind}"), kind=kind)


def _operand(module: FakeLinear | ExactLinear, x: Tensor) -> fakequant.MxTensor:
    """Return an input as the layer multiplies it."""
    fmt = module.data_in
    assert isinstance(fmt, Mx)
    if isinstance(module, ExactLinear):
        x = fakequant.cast(x, module.hw.vector_format)
        if module.rotation is not None:
            x = fakequant.hadamard(x, module.hw.vector_format, block=module.rotation)
    elif module.dequant:
        raise FormatError(f"{module}: a rotation that is taken back leaves no codes to store")
    elif module.rotation is not None:
        x = rotate_online(x, module.rotation)
    return fakequant.quantize_mx(x, fmt, **draw_options(fmt, x.ndim))


def _again(x: Tensor, fmt: Mx, where: str) -> fakequant.MxTensor:
    """Return the codes of values that are in a format already."""
    quantised = fakequant.quantize_mx(x, fmt, **draw_options(fmt, x.ndim))
    same = (quantised.values.double() == x.double()) | x.isnan()
    if not bool(same.all()):
        raise FormatError(
            f"{where}: the cache holds values that {fmt.name} with the scale rule "
            f"{fmt.scale_rule.value} stores otherwise when they are quantised again; "  # type: ignore[union-attr]
            "take a scale rule that docs/numerics.md calls idempotent, and no rotation of the cache"
        )
    return quantised


def _exact(stored: PackedWeight) -> fakequant.MxTensor:
    stored.pack()  # raises where the values were converted and lost bits
    assert isinstance(stored.fmt, Mx)
    return fakequant.MxTensor(
        values=stored.values.detach(), scales=stored.scales, mx=stored.fmt, axis=stored.axis
    )


def _chosen(name: str, layers: frozenset[int] | None) -> bool:
    if layers is None:
        return True
    match = _LAYER.search(name)
    return match is not None and int(match[1]) in layers
