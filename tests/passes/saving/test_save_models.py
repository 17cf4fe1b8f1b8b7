"""Every recipe of configs/quant and every family of models is saved, reloaded and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM

from plena_cosim.golden import FormatError
from plena_cosim.passes import (
    dequantized_state_dict,
    export_dequantized,
    load_quant_config,
    quantize_module_transform_pass,
)

from ..recipes import IN8, W4

RECIPES = sorted((Path(__file__).parents[3] / "configs" / "quant").glob("*.toml"))
SIZES = {
    "vocab_size": 61,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MOE = {"head_dim": 16, "num_experts_per_tok": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "Gemma": {"head_dim": 16},
    "Gemma2": {"head_dim": 16},
    "Glm4Moe": MOE
    | {"n_routed_experts": 4, "moe_intermediate_size": 32, "n_group": 1, "topk_group": 1}
    | {"first_k_dense_replace": 1, "partial_rotary_factor": 0.5},
    "GptOss": MOE | {"num_local_experts": 4},
    "Mistral": {},
    "Mixtral": MOE | {"num_local_experts": 4},
    "Phi": {},
    "Phi3": {},
    "Qwen2": {},
    "Qwen3": {"head_dim": 16},
    "Qwen3Moe": MOE | {"num_experts": 4, "moe_intermediate_size": 32},
    "SmolLM3": {},
}
OPERANDS = {"name": "mxint", **W4, **IN8}
NORM = {
    "name": "minifloat",
    "weight_exponent_width": 4,
    "weight_frac_width": 4,
    "data_in_exponent_width": 5,
    "data_in_frac_width": 5,
}


def build(family: str) -> nn.Module:
    config = getattr(transformers, f"{family}Config")(**SIZES, **FAMILIES.get(family, {}))
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:  # all ones, or zeros, by default
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def prefill_and_decode(model: nn.Module) -> torch.Tensor:
    ids = torch.arange(2, 20)[None]
    with torch.no_grad():
        prompt = model(ids)
        following = model(ids[:, -1:], past_key_values=prompt.past_key_values)
    return torch.cat([prompt.logits, following.logits], 1)


@pytest.fixture
def reload(tmp_path) -> Callable[[nn.Module], nn.Module]:
    def through_a_file(model: nn.Module) -> nn.Module:
        model.save_pretrained(tmp_path / "packed")
        return AutoModelForCausalLM.from_pretrained(tmp_path / "packed")

    return through_a_file


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_comes_back(path, numerics, reload) -> None:
    model, _ = quantize_module_transform_pass(
        build("Llama"), load_quant_config(path), numerics=numerics
    )
    assert torch.equal(prefill_and_decode(reload(model)), prefill_and_decode(model))


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_bfloat16_model_comes_back_in_bfloat16(numerics, reload, tmp_path) -> None:
    # With exact numerics the first weight, the embedding, is in float32.
    build("Llama").bfloat16().save_pretrained(tmp_path / "original")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "original")
    recipe = load_quant_config(next(path for path in RECIPES if "composite" in path.stem))
    quantize_module_transform_pass(model, recipe, numerics=numerics)
    expected = prefill_and_decode(model)
    assert expected.dtype == torch.bfloat16
    again = reload(model)
    assert torch.equal(prefill_and_decode(again), expected)
    assert torch.equal(prefill_and_decode(reload(again)), expected)
    wide = AutoModelForCausalLM.from_pretrained(tmp_path / "packed", dtype=torch.float32)
    assert prefill_and_decode(wide).dtype == torch.float32
    assert prefill_and_decode(reload(wide)).dtype == torch.float32
    export_dequantized(model, tmp_path / "plain")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "plain").dtype == torch.bfloat16


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_comes_back_and_is_exported(family, numerics, reload, tmp_path) -> None:
    model = build(family)
    recipe = {
        "by": "regex_name",
        r".*_proj|.*self_attn\.dense|.*\.fc\d": OPERANDS,
        r".*embed_tokens": {"name": "mxint", **W4},
        r".*norm": NORM,
    }
    if any(name.endswith(".experts") for name, _ in model.named_modules()):
        recipe[r".*\.experts"] = OPERANDS
    names = set(model.state_dict())
    quantize_module_transform_pass(model, recipe, numerics=numerics)
    again = reload(model)
    assert torch.equal(prefill_and_decode(again), prefill_and_decode(model))
    values = dequantized_state_dict(model)
    assert set(values) == names
    export_dequantized(again, tmp_path / "plain")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "plain").state_dict()
    assert set(plain) == names
    for name, tensor in plain.items():
        assert torch.equal(tensor.double(), values[name].double()), name


def phases(decode_width: int) -> dict[str, Any]:
    changed = {**OPERANDS, "weight_width": decode_width, "data_in_width": 5}
    return {"by": "type", "linear": OPERANDS, "phase": {"decode": {"linear": changed}}}


def test_phases_with_one_weight_have_a_plain_export(tmp_path) -> None:
    model, _ = quantize_module_transform_pass(build("Llama"), phases(4))
    assert "model.layers.0.mlp.up_proj.weight" in dequantized_state_dict(model)
    model, _ = quantize_module_transform_pass(build("Llama"), phases(3))
    message = r"^model.layers.0.self_attn.q_proj: has other weights in prefill than in decode"
    with pytest.raises(FormatError, match=message):
        export_dequantized(model, tmp_path / "plain")


def test_a_rotated_weight_has_no_plain_export(reload) -> None:
    recipe = {"by": "type", "linear": {**OPERANDS, "online_rotate": True}}
    model, _ = quantize_module_transform_pass(build("Llama"), recipe)
    assert torch.equal(prefill_and_decode(reload(model)), prefill_and_decode(model))
    with pytest.raises(FormatError, match=r"q_proj: rotates its input .* export without it"):
        dequantized_state_dict(model)


def test_weights_with_searched_clipping_are_not_searched_again(reload) -> None:
    table = {**OPERANDS, "clip_search": [0.9, 0.95, 1.0]}
    recipe = {"by": "type", "linear": table}
    model, _ = quantize_module_transform_pass(build("Llama"), recipe)
    assert torch.equal(prefill_and_decode(reload(model)), prefill_and_decode(model))


@pytest.mark.parametrize("family", ["FalconMamba", "Jamba"])
@torch.no_grad()
def test_layers_whose_weight_is_taken_are_called_before_saving_too(family, reload) -> None:
    """A model that transformers has loaded quantised calls dt_proj; one of the pass has to, too."""
    torch.manual_seed(0)
    mamba = {"state_size": 8} if family == "FalconMamba" else {"mamba_d_state": 8}
    heads = {} if family == "FalconMamba" else {"attn_layer_period": 2, "attn_layer_offset": 1}
    config = getattr(transformers, f"{family}Config")(**SIZES | mamba | heads)
    model = AutoModelForCausalLM.from_config(config).eval()
    quantize_module_transform_pass(model, {r".*\.dt_proj": {**OPERANDS, "data_in_width": 4}})
    layer = next(m for name, m in model.named_modules() if name.endswith("dt_proj"))
    called = []
    layer.register_forward_hook(lambda *_: called.append(True))
    ids = torch.randint(3, 60, (1, 12), generator=torch.Generator().manual_seed(3))
    before = model(ids).logits
    assert called
    assert torch.equal(reload(model)(ids).logits, before)
