"""Stochastic rounding in a model: drawn anew each time, and each draw can be told beforehand."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from plena_cosim import golden
from plena_cosim.passes import quantize_module_transform_pass

MX = golden.get_format("mxint3", block_size=16, rounding="stochastic")
INPUT = {"data_in_block_size": 16, "data_in_width": 3}
LINEAR = {"name": "mxint", "weight_block_size": 16, "weight_width": 3, **INPUT}
ATTENTION = {"name": "mxint", "kv_cache": INPUT, "qk_matmul": INPUT, "av_matmul": INPUT}
ALL = {r".*_proj|lm_head": LINEAR, r".*\.self_attn": ATTENTION}
TOKENS = torch.arange(3, 51).view(3, 16)


def stochastic(selectors: dict[str, Any], **numerics: Any) -> dict[str, Any]:
    return {"numerics": {"rounding": "stochastic", **numerics}, **selectors}


def net(**numerics: Any) -> nn.Sequential:
    torch.manual_seed(0)
    first, second = nn.Linear(64, 64), nn.Linear(64, 64)
    second.load_state_dict(first.state_dict())
    model = nn.Sequential(first, second)
    table = {**LINEAR, "bias_block_size": 16, "bias_width": 3}
    recipe = stochastic({"by": "type", "Linear": table}, **numerics)
    quantize_module_transform_pass(model, recipe)
    return model


def llama(recipe: dict[str, Any], numerics: str = "exact") -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    model = LlamaForCausalLM(config).eval()
    quantize_module_transform_pass(model, recipe, numerics=numerics)
    return model


def drawn(x: Tensor, module: str, role: str, call: int, seed: int = 0) -> Tensor:
    """What golden makes of it, with the seed as docs/numerics.md defines it."""
    text = "\n".join([str(seed), module, role, str(call)]).encode()
    digest = hashlib.sha256(text).digest()
    number = sum(byte << 8 * place for place, byte in enumerate(digest[:8]))
    return torch.from_numpy(golden.quantize(x.numpy(), MX, seed=number).dequantize()).float()


@pytest.mark.parametrize("seed", [0, 7])
def test_weights_draw_by_module_and_role(seed: int) -> None:
    torch.manual_seed(0)
    before = nn.Linear(64, 64)
    model = net(seed=seed)
    for name in ("0", "1"):
        made = model.get_submodule(name)
        weight, bias = before.weight.detach(), before.bias.detach()
        assert torch.equal(made.weight, drawn(weight, name, "weight", 0, seed))
        assert torch.equal(made.bias, drawn(bias, name, "bias", 0, seed))
    assert not torch.equal(model[0].weight, model[1].weight)


def test_inputs_draw_by_call_and_not_by_their_place_in_a_batch() -> None:
    model, x = net(), torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(1))
    for call in range(3):
        got = model[0].operand(x)
        for place in range(3):
            assert torch.equal(got[place], drawn(x[place], "0", "data_in", call))
    assert torch.equal(model[0].operand(x[0]), drawn(x[0], "0", "data_in", 3))


def test_the_mean_of_many_calls_is_the_input() -> None:
    layer, x = net()[0], torch.full((1, 64), 0.3)
    x[0, ::16] = 1.0
    calls = torch.stack([layer.operand(x) for _ in range(2000)])
    # Codes are 0 and 0.5; the standard error of a mean of 2000 is 0.011.
    assert (calls.mean(0) - x).abs().max() < 0.05
    assert len(torch.unique(calls, dim=0)) == 2000


@pytest.mark.parametrize("phases", [False, True])
def test_a_batch_gives_what_its_sequences_give_alone(phases: bool) -> None:
    recipe = stochastic(ALL)
    if phases:
        recipe["phase"] = {"decode": {r".*_proj": {**LINEAR, "data_in_width": 5}}}
    model = llama(recipe)
    alone = [copy.deepcopy(model) for _ in TOKENS]
    with torch.no_grad():
        first = model(TOKENS, use_cache=True)
        then = model(TOKENS[:, :1], past_key_values=first.past_key_values).logits
        for place, other in enumerate(alone):
            tokens = TOKENS[place : place + 1]
            got = other(tokens, use_cache=True)
            assert torch.equal(got.logits[0], first.logits[place])
            got = other(tokens[:, :1], past_key_values=got.past_key_values)
            assert torch.equal(got.logits[0], then[place])


@pytest.mark.parametrize("operation", ["kv_cache", "qk_matmul", "av_matmul"])
def test_operations_of_attention_draw_too(operation: str) -> None:
    table = {"name": "mxint", operation: INPUT}
    model = llama(stochastic({r".*\.self_attn": table}), numerics="fake")
    with torch.no_grad():
        first, second = model(TOKENS).logits, model(TOKENS).logits
    assert not torch.equal(first, second)


def test_the_seed_decides_and_a_file_keeps_it(tmp_path: Path) -> None:
    model = llama(stochastic(ALL, seed=3))
    same, other = llama(stochastic(ALL, seed=3)), llama(stochastic(ALL, seed=4))
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        want = model(TOKENS).logits
        assert torch.equal(same(TOKENS).logits, want)
        assert torch.equal(loaded(TOKENS).logits, want)
        assert not torch.equal(other(TOKENS).logits, want)
        assert not torch.equal(model(TOKENS).logits, want)


def test_other_roundings_draw_nothing() -> None:
    model = llama({r".*_proj": LINEAR})
    with torch.no_grad():
        assert torch.equal(model(TOKENS).logits, model(TOKENS).logits)
