"""Whether a class derived from nn.Linear computes what nn.Linear does, by test vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from .bare import bare

_OUTPUTS, _INPUTS = 3, 5
_SHAPES = ((2, _INPUTS), (2, 4, _INPUTS))


@torch.no_grad()
def differs_from_linear(module: nn.Linear) -> str | None:
    """Return in what a linear layer differs from x @ W.T + b; None: in nothing.

    The test vectors are small, whatever the layer's sizes, and run in float32 on the CPU, in
    evaluation and in training.

    Args:
        module: of nn.Linear or a class derived from it; its weight may be on the meta device.

    Returns:
        Words that follow the name of its class.
    """
    if type(module) is nn.Linear:
        return None
    if isinstance(module, NonDynamicallyQuantizableLinear):
        return "has its weight taken by nn.MultiheadAttention, which does not call it"
    held = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    if more := [name for name in held if name not in ("weight", "bias")]:
        return f"holds more than a weight and a bias ({', '.join(more)})"
    made = bare(module)
    made.in_features, made.out_features = _INPUTS, _OUTPUTS
    with torch.device("cpu"):
        own = {"weight": _irregular(_OUTPUTS, _INPUTS)}
        if module.bias is not None:
            own["bias"] = _irregular(_OUTPUTS)
        for made.training in (False, True):
            for shape in _SHAPES:
                if found := _difference(made, own, _irregular(*shape)):
                    return found
    return None


def _difference(module: nn.Linear, own: dict[str, Tensor], x: Tensor) -> str | None:
    """Return what is other than in nn.Linear for one input."""
    expected = functional.linear(x, own["weight"], own.get("bias"))
    try:
        found = functional_call(module, own, (x.clone(),))
    except Exception as error:
        return f"gives {type(error).__name__} for an input of shape {tuple(x.shape)}"
    if not isinstance(found, Tensor):
        return f"returns a {type(found).__name__}, not a tensor"
    if found.shape != expected.shape:
        shape = tuple(found.shape)
        return f"returns shape {shape} for an input of {tuple(x.shape)} and {_OUTPUTS} outputs"
    if not torch.allclose(found, expected, rtol=1e-5, atol=1e-6):
        mode = " in training" if module.training else ""
        return f"returns something else than x @ W.T + b{mode} for a test vector"
    return None


def _irregular(*shape: int) -> Tensor:
    """Return values without a pattern; no random numbers are drawn."""
    count = torch.Size(shape).numel()
    return (torch.arange(1, count + 1, dtype=torch.float32) * 1.7).sin().view(shape)
