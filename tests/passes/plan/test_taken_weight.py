"""Layers whose weight their owner multiplies itself: known before the pass, and never silent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.longcat_flash import modeling_longcat_flash

from plena_cosim.golden import FormatError
from plena_cosim.passes import left_alone, quantize_module_transform_pass
from plena_cosim.passes.plan.left_alone import Cause
from plena_cosim.passes.plan.taken_weight import takes_weights

from ..recipes import W4A4


class Taker(nn.Module):
    """Each way to use a child."""

    def __init__(self) -> None:
        super().__init__()
        names = ("called", "taken", "deep", "both", "asked", "lent", "listed", "idle")
        for name in names:
            self.add_module(name, nn.Linear(32, 32))

    def forward(self, x: Tensor) -> Tensor:
        x = self.called(x.to(self.asked.weight.dtype))
        x = self.asked(x) @ self.taken.weight
        if x.ndim > 9:
            x = functional.linear(x, self.both.weight)
        for layer in (self.listed, self.lent):
            x = layer(x) + layer.weight.sum()
        return self._rest(self.both(x))

    def _rest(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.deep.weight.float())

    def reset(self) -> Tensor:
        return self.idle.weight @ self.idle.weight


class Derived(Taker):
    def _rest(self, x: Tensor) -> Tensor:
        return super()._rest(self.deep(x))


def test_what_forward_takes_and_does_not_call() -> None:
    assert takes_weights(Taker) == {"taken", "deep"}
    assert takes_weights(Derived) == {"taken"}
    assert takes_weights(nn.Linear) == takes_weights(nn.MultiheadAttention) == set()
    assert takes_weights(type("Sourceless", (Taker,), {})) == {"taken", "deep"}


def mamba() -> nn.Module:
    sizes = {"hidden_size": 32, "state_size": 8, "time_step_rank": 16, "num_hidden_layers": 2}
    ids = {"vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    torch.manual_seed(0)
    return transformers.MambaForCausalLM(transformers.MambaConfig(**sizes, **ids)).eval()


def run_mamba(model: nn.Module) -> None:
    model(torch.arange(3, 11)[None])


def router() -> nn.Module:
    sizes = {"hidden_size": 32, "n_routed_experts": 4, "zero_expert_num": 4, "moe_topk": 2}
    config = transformers.LongcatFlashConfig(**sizes)
    model = nn.ModuleDict({"router": modeling_longcat_flash.LongcatFlashTopkRouter(config)})
    nn.init.normal_(model["router"].e_score_correction_bias)
    return model


def run_router(model: nn.Module) -> None:
    model["router"](torch.ones(1, 2, 32))


TAKEN = [
    (mamba, run_mamba, "backbone.layers.0.mixer.dt_proj", "MambaMixer"),
    (router, run_router, "router.classifier", "LongcatFlashTopkRouter"),
]


@pytest.mark.parametrize(("made", "run", "name", "owner"), TAKEN)
def test_fake_numerics_name_the_input_that_stays(
    made: Any, run: Any, name: str, owner: str
) -> None:
    recipe = {"by": "name", name: W4A4}
    model, info = quantize_module_transform_pass(made(), recipe)
    assert (info[name].weight, info[name].data_in) == ("mxint4", None)
    left = left_alone(model)
    assert [(matrix.name, matrix.cause, matrix.reason) for matrix in left.inputs] == [
        (name, Cause.INPUT, f"its input: {owner} multiplies by its weight without calling it")
    ]
    assert name not in {matrix.name for matrix in left.matrices}
    assert left.words().endswith("1 input")
    assert left.as_dict()["inputs"] == 1
    assert left.lines()[-1].endswith(left.inputs[0].reason)
    called = []
    model.get_submodule(name).register_forward_hook(lambda *given: called.append(given))
    run(model)
    assert not called  # or the words would be wrong


@pytest.mark.parametrize(("made", "run", "name", "owner"), TAKEN)
def test_exact_numerics_refuse_it(made: Any, run: Any, name: str, owner: str) -> None:
    model = made()
    before = type(model.get_submodule(name))
    with pytest.raises(FormatError, match=f"{name}.*{owner} multiplies by its weight.*exclude it"):
        quantize_module_transform_pass(model, {"by": "name", name: W4A4}, numerics="exact")
    assert type(model.get_submodule(name)) is before


def test_a_rotation_that_the_input_would_miss_is_refused() -> None:
    recipe = {"by": "name", TAKEN[0][2]: W4A4 | {"online_rotate": 16}}
    with pytest.raises(FormatError, match="its input cannot be rotated; exclude it, or give"):
        quantize_module_transform_pass(mamba(), recipe)


class Hidden(nn.Module):
    """Takes a weight in a way that its source does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        weight = getattr(self, "proj").weight  # noqa: B009
        return functional.linear(x, weight.to(x.dtype))


def test_a_running_model_cannot_multiply_an_exact_layers_weight() -> None:
    model, _ = quantize_module_transform_pass(
        nn.Sequential(Hidden()), {"0.proj": W4A4}, numerics="exact"
    )
    x = torch.ones(2, 32)
    with pytest.raises(FormatError, match=r"module '0.proj': the model multiplies by its weight"):
        model(x)
    weight = model[0].proj.weight
    assert (x @ weight.T).shape == (2, 32)  # what a user computes of it is no model's output
    assert torch.equal(weight, model[0].proj.stored.values)
