"""Falcon's linear layer is one of torch's; Llama 4's router only looks like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers.models.falcon.modeling_falcon import FalconLinear
from transformers.models.llama4.modeling_llama4 import Llama4Router

from plena_cosim.golden import FormatError
from plena_cosim.passes import left_alone, quantize_module_transform_pass

from ..recipes import IN8, W4, W4A4, W8A8

SILU = {"name": "minifloat", "data_in_exponent_width": 3, "data_in_frac_width": 4}


def falcon() -> nn.Module:
    config = transformers.FalconConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, bos_token_id=1,
        eos_token_id=2, bias=True,
    )  # fmt: skip
    torch.manual_seed(0)
    return transformers.FalconForCausalLM(config).eval()


def tokens() -> Tensor:
    return torch.randint(3, 64, (2, 12), generator=torch.Generator().manual_seed(2))


def router() -> Llama4Router:
    config = transformers.Llama4TextConfig(hidden_size=32, num_local_experts=4)
    return Llama4Router(config)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@torch.no_grad()
def test_its_bits_are_those_of_a_linear_layer(numerics: str) -> None:
    torch.manual_seed(0)
    own, plain = FalconLinear(40, 24), nn.Linear(40, 24)
    plain.load_state_dict(own.state_dict())
    x = torch.randn(2, 3, 40)
    found, expected = (
        quantize_module_transform_pass(
            nn.Sequential(layer), {"by": "type", "linear": W4A4}, numerics=numerics
        )
        for layer in (own, plain)
    )
    assert torch.equal(found[0](x), expected[0](x))
    assert found[1] == expected[1]


def test_the_name_of_torchs_class_stands_for_it() -> None:
    _, info = quantize_module_transform_pass(falcon(), {"by": "type", "Linear": W4A4})
    assert len(info) == 2 * 4 + 1
    _, own = quantize_module_transform_pass(falcon(), {"by": "type", "FalconLinear": W4A4})
    assert own.keys() == info.keys() - {"lm_head"}
    model, none = quantize_module_transform_pass(
        falcon(), {"by": "type", "exclude": ["linear"], "Embedding": {"name": "mxint", **W4}}
    )
    assert [found.kind for found in none.values()] == ["embedding"]
    assert {matrix.reason for matrix in left_alone(model).matrices} == {"exclude 'linear'"}


def test_its_activation_is_that_of_an_mlp() -> None:
    _, info = quantize_module_transform_pass(falcon(), {r".*\.mlp": SILU})
    assert [found.kind for found in info.values()] == ["MLP", "MLP"]


@torch.no_grad()
def test_a_saved_falcon_is_equal_on_every_bit(tmp_path: Path) -> None:
    model, _ = quantize_module_transform_pass(falcon(), {"by": "type", "Linear": W4A4})
    before = model(tokens()).logits
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(tokens()).logits, before)
    assert left_alone(again) == left_alone(model)


def test_it_is_calibrated_like_one() -> None:
    gptq = {"format": "mxint", "model_name": "none", "weight_config": W4}
    recipe = {"gptq": gptq, r".*dense_h_to_4h": {"name": "mxint", **W4, "gptq": True}}
    _, info = quantize_module_transform_pass(falcon(), recipe, tokens=tokens())
    assert [len(found.calibration or []) for found in info.values()] == [1, 1]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            {"by": "type", "Llama4Router": W8A8},
            r"\[Llama4Router\]: matches '1', whose class Llama4Router derives from nn.Linear, but "
            "returns a tuple, not a tensor",
        ),
        ({"by": "name", "1": W8A8}, "matches '1', whose class Llama4Router derives from nn.Linear"),
        (
            {"exclude": ["1"], "0": W8A8},
            "exclude '1': matches '1', whose class Llama4Router derives from nn.Linear",
        ),
    ],
)
def test_what_only_looks_like_one_cannot_be_named(recipe: dict[str, Any], message: str) -> None:
    model = nn.Sequential(nn.Linear(8, 8), router())
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(model, recipe)


def test_torchs_name_does_not_stand_for_what_only_looks_like_one() -> None:
    model, info = quantize_module_transform_pass(
        nn.Sequential(nn.Linear(8, 8), router()), {"by": "type", "Linear": W8A8}
    )
    assert list(info) == ["0"]
    (matrix,) = left_alone(model).matrices
    assert matrix.reason.startswith("Llama4Router derives from nn.Linear, but returns a tuple")


@torch.no_grad()
def test_a_weight_that_attention_takes_stays() -> None:
    """nn.MultiheadAttention multiplies by out_proj.weight; its input would not be quantised."""
    attention = nn.MultiheadAttention(8, 2)
    with pytest.raises(FormatError, match="does not call it"):
        quantize_module_transform_pass(nn.Sequential(attention), {"by": "name", "0.out_proj": W8A8})


def test_experts_that_do_not_say_how_they_multiply_are_refused() -> None:
    from transformers.models.jetmoe.modeling_jetmoe import JetMoeParallelExperts

    experts = JetMoeParallelExperts(2, 8, 8)
    nn.init.zeros_(experts.weight)
    model = nn.Sequential(nn.Linear(8, 8), experts)
    with pytest.raises(FormatError, match="cannot tell along which axis JetMoeParallelExperts"):
        quantize_module_transform_pass(model, {"by": "name", "1": W8A8})
    quantize_module_transform_pass(model, {"by": "name", "0": {"name": "mxint", **W4, **IN8}})
    (matrix,) = left_alone(model).matrices
    assert matrix.reason == (
        "JetMoeParallelExperts keeps a matrix an expert and does not say along which axis it "
        "multiplies them"
    )
