"""Conv1D of GPT-2 is a linear layer whose weight is (in, out), and equal to golden like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from plena_cosim import golden
from plena_cosim.golden import FormatError, HardwareConfig, ops
from plena_cosim.passes import dequantized_state_dict, quantize_module_transform_pass

W4A8 = {
    "name": "mxint",
    "weight_block_size": 16,
    "weight_width": 4,
    "data_in_block_size": 16,
    "data_in_width": 8,
    "bias_block_size": 16,
    "bias_width": 8,
}
INT4, INT8 = (golden.mxint(width, block_size=16) for width in (4, 8))
INPUTS, OUTPUTS = 40, 24


def layer() -> nn.Module:
    torch.manual_seed(0)
    conv = Conv1D(OUTPUTS, INPUTS)
    nn.init.normal_(conv.bias)
    return nn.Sequential(conv)


def rows() -> Tensor:
    return torch.randn(2, 3, INPUTS, generator=torch.Generator().manual_seed(1))


def double(x: Tensor) -> np.ndarray:
    return x.detach().double().numpy()


def quantised(numerics: str = "fake", **keys: Any) -> tuple[nn.Module, Any]:
    recipe = {"by": "type", "conv1d": {**W4A8, **keys}}
    return quantize_module_transform_pass(layer(), recipe, numerics=numerics)


def gpt2() -> nn.Module:
    config = transformers.GPT2Config(
        vocab_size=64, n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(config).eval()


def tokens(count: int = 2) -> Tensor:
    return torch.randint(3, 64, (count, 16), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_fake_numerics_multiply_what_golden_quantises() -> None:
    conv = layer()[0]
    weight = golden.quantize(double(conv.weight), INT4, axis=0).dequantize()
    bias = golden.quantize(double(conv.bias), INT8).dequantize()
    x = golden.quantize(double(rows()), INT8).dequantize()
    found = quantised()[0](rows())
    # Products of at most 11 bits and sums of 40 of them: float32 rounds at 2^-24 of the largest.
    assert np.abs(double(found) - (x @ weight + bias)).max() < 1e-5
    assert torch.equal(quantised()[0][0].weight, torch.from_numpy(weight).float())


@torch.no_grad()
def test_exact_numerics_are_golden_bit_for_bit() -> None:
    conv, hw = layer()[0], HardwareConfig()
    v = hw.vector_format
    w = golden.quantize(double(conv.weight), INT4, axis=0)
    values = golden.decode(golden.encode(double(rows()).reshape(-1, INPUTS), v), v)
    bias = golden.encode(golden.quantize(double(conv.bias), INT8).dequantize(), v)
    y = ops.add(ops.matmul(golden.quantize(values, INT8), w, hw), bias[None], v)
    found = quantised("exact")[0](rows())
    assert np.array_equal(double(found).reshape(-1, OUTPUTS), golden.decode(y, v))


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@torch.no_grad()
def test_its_bits_are_those_of_a_linear_layer(numerics: str) -> None:
    conv = layer()[0]
    linear = nn.Linear(INPUTS, OUTPUTS)
    linear.weight.copy_(conv.weight.T)
    linear.bias.copy_(conv.bias)
    options = {"online_rotate": 8, "clip_search": True}
    recipe = {"by": "type", "linear": {**W4A8, **options}}
    model, expected = quantize_module_transform_pass(
        nn.Sequential(linear), recipe, numerics=numerics
    )
    found, info = quantised(numerics, **options)
    assert torch.equal(found(rows()), model(rows()))
    assert info["0"].kind == "Conv1D"
    same = vars(info["0"]) | {"kind": "linear layer", "selector": "linear"}
    assert same == vars(expected["0"])


def test_a_plain_checkpoint_has_the_weight_as_the_model_keeps_it() -> None:
    state = dequantized_state_dict(quantised()[0])
    plain = layer()
    plain.load_state_dict(state)  # shapes and names fit
    expected = golden.quantize(double(layer()[0].weight), INT4, axis=0).dequantize()
    assert np.array_equal(double(plain[0].weight), expected)


RECIPE = {r"transformer\.h\.\d+\..*(c_attn|c_proj|c_fc)": W4A8}


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@torch.no_grad()
def test_a_saved_gpt2_is_equal_on_every_bit(numerics: str, tmp_path: Path) -> None:
    model, info = quantize_module_transform_pass(gpt2(), RECIPE, numerics=numerics)
    assert [found.kind for found in info.values()] == ["Conv1D"] * 8
    before = model(tokens()).logits
    assert not torch.equal(before, gpt2()(tokens()).logits)
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(tokens()).logits, before)


@torch.no_grad()
def test_phases_share_the_weight_where_only_inputs_differ() -> None:
    decode = {key: {**W4A8, "data_in_width": 4} for key in RECIPE}
    model, info = quantize_module_transform_pass(gpt2(), {**RECIPE, "phase": {"decode": decode}})
    assert len(info) == 16
    names = {name.rpartition(".")[2] for name in model.state_dict() if "c_fc" in name}
    assert names == {"codes", "scales"}
    assert not any("prefill" in name for name in model.state_dict())
    alone, _ = quantize_module_transform_pass(gpt2(), RECIPE)
    assert torch.equal(model(tokens()).logits, alone(tokens()).logits)


def test_it_is_calibrated_in_its_own_layout() -> None:
    table = {"weight_block_size": 16, "weight_width": 4}
    gptq = {"format": "mxint", "model_name": "none", "weight_config": table}
    recipe = {"gptq": gptq, next(iter(RECIPE)): {**W4A8, "gptq": True}}
    model, info = quantize_module_transform_pass(gpt2(), recipe, tokens=tokens(4))
    entry = info["transformer.h.1.mlp.c_fc"]
    assert entry.calibration is not None
    assert entry.calibration[0].tokens == 4 * 16
    fitted = model.transformer.h[1].mlp.c_fc.weight
    near, _ = quantize_module_transform_pass(gpt2(), RECIPE)
    rounded = near.transformer.h[1].mlp.c_fc.weight
    original = gpt2().transformer.h[1].mlp.c_fc.weight
    assert fitted.shape == original.shape
    assert not torch.equal(fitted, rounded)
    # Fitting moves some values by a step; a weight turned the wrong way would be far off.
    assert (fitted - original).norm() < 2 * (rounded - original).norm()


def test_checkpoints_of_calibration_hold_the_weight_as_it_is_stored(tmp_path: Path) -> None:
    table = {"weight_block_size": 16, "weight_width": 4}
    gptq = {"format": "mxint", "model_name": "none", "weight_config": table}
    recipe = {
        "gptq": gptq | {"checkpoint_dir": str(tmp_path)},
        next(iter(RECIPE)): {**W4A8, "gptq": True},
    }
    first, _ = quantize_module_transform_pass(gpt2(), recipe, tokens=tokens(4))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert files
    again, _ = quantize_module_transform_pass(gpt2(), recipe, tokens=tokens(4))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files
    assert torch.equal(again(tokens()).logits, first(tokens()).logits)


def test_training_writes_the_weight_back_in_its_own_layout() -> None:
    distill = {
        "nsamples": 2, "seqlen": 16, "steps": 1, "batch_size": 2, "learning_rate": 1e-4,
        "weights": "rounded",
    }  # fmt: skip
    model = gpt2()
    recipe = {"distill": distill, next(iter(RECIPE)): {**W4A8, "online_rotate": 16}}
    quantize_module_transform_pass(model, recipe, tokens=tokens())
    before = gpt2().transformer.h[0].mlp.c_fc.weight
    stored = model.transformer.h[0].mlp.c_fc
    after = stored.to_plain(stored.stored.values)
    assert after.shape == before.shape
    assert (after - before).norm() < 0.2 * before.norm()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kv_cache": {"bypass": True}}, r"matches '0' \(Conv1D\), which .*; kv_cache cannot be"),
        ({"online_rotate": 16}, r"module '0': online_rotate, .* axis of 40 elements"),
    ],
)
def test_what_does_not_fit_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        quantised(**keys)
