"""empty_twins: the modules that a recipe makes, without weights, for a saved model to fill."""

from __future__ import annotations

from functools import partial

from torch import nn

from plena_cosim.golden import HardwareConfig

from .exact_linear import ExactLinear
from .fake_linear import FakeLinear
from .match import choose
from .quant_config import PassArgs
from .stored_weight import StoredWeight


def empty_twins(
    model: nn.Module, recipe: PassArgs, numerics: str, machine: HardwareConfig | None
) -> None:
    """Replace what `recipe` chooses in `model`, whose weights may be on the meta device."""
    fake = partial(FakeLinear, store=StoredWeight.empty)
    exact = partial(ExactLinear, hw=machine or HardwareConfig(), store=StoredWeight.empty)
    for name, selector in choose(model, recipe).items():
        linear = model.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        build = fake if numerics == "fake" else exact
        model.set_submodule(name, build(linear, selector.formats))
