"""A quantised model is saved packed and comes back equal in every bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.quantizers import auto

from plena_cosim import fakequant, golden
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.passes import (
    dequantized_state_dict,
    export_dequantized,
    quantize_module_transform_pass,
)
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.saving.digests import NAME
from plena_cosim.passes.saving.plena_config import PlenaConfig
from plena_cosim.passes.weights.packed_weight import PackedWeight


def mxint(weight: int, data_in: int = 8, block: int = 16) -> dict[str, Any]:
    return {
        "name": "mxint",
        "weight_block_size": block,
        "weight_width": weight,
        "data_in_block_size": block,
        "data_in_width": data_in,
    }


MXFP4 = {
    "name": "mxfp",
    "weight_block_size": 32,
    "weight_exponent_width": 2,
    "weight_frac_width": 1,
    "data_in_block_size": 32,
    "data_in_exponent_width": 4,
    "data_in_frac_width": 3,
}
MIXED = {
    "by": "regex_name",
    r"model\.layers\.1\.self_attn\.q_proj": {**mxint(4), "bypass": True},
    r".*\.self_attn\..*_proj": mxint(8),
    r".*\.(up|gate)_proj": MXFP4,
    r".*\.down_proj": mxint(5, block=8),
}
RECIPES = {
    "mxint4": {"by": "type", "linear": mxint(4)},
    "mxint8": {"by": "type", "linear": mxint(8, block=32)},
    "mxint11": {"by": "type", "linear": mxint(11, 11)},
    "mxfp4": {"by": "type", "linear": MXFP4},
    "mixed": MIXED,
    "numerics": {
        "by": "type",
        "linear": mxint(4),
        "numerics": {"scale_rule": "rceil", "scale_bits": 5},
    },
}
IDS = torch.arange(20)[None]


def tiny(**changes: Any) -> nn.Module:
    """A Llama whose dimensions are no multiples of the blocks."""
    sizes = {
        "vocab_size": 61,
        "hidden_size": 40,
        "intermediate_size": 56,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "tie_word_embeddings": True,
    }
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**sizes, **changes})).eval()


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def quantised(recipe: dict[str, Any], numerics: str = "fake", **changes: Any) -> nn.Module:
    model, _ = quantize_module_transform_pass(tiny(**changes), recipe, numerics=numerics)
    return model


@pytest.fixture
def saved(tmp_path) -> Callable[..., Path]:
    def save(model: nn.Module, name: str = "saved", **options: Any) -> Path:
        model.save_pretrained(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_reloaded_model_is_equal_in_every_bit(name, numerics, saved) -> None:
    model = quantised(RECIPES[name], numerics)
    expected = logits(model)
    folder = saved(model)
    again = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.equal(logits(again), expected)
    twice = saved(again, "twice")
    for file in ("model.safetensors", "config.json"):
        assert (folder / file).read_bytes() == (twice / file).read_bytes()


def test_loading_never_quantises(saved, monkeypatch) -> None:
    folder = saved(quantised(RECIPES["mixed"]))
    for name in ("quantize_mx", "quantize", "cast"):
        monkeypatch.setattr(fakequant, name, None)
    AutoModelForCausalLM.from_pretrained(folder)


def test_a_fresh_process_loads_it(saved, tmp_path) -> None:
    model = quantised(RECIPES["mxint4"], "exact")
    folder = saved(model)
    program = (
        "import torch, plena_cosim.passes\n"
        "from transformers import AutoModelForCausalLM\n"
        f"model = AutoModelForCausalLM.from_pretrained({str(folder)!r})\n"
        "with torch.no_grad(): y = model(torch.arange(20)[None]).logits\n"
        f"torch.save(y, {str(tmp_path / 'y.pt')!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.load(tmp_path / "y.pt"), logits(model))


def test_biases_and_bfloat16_come_back(saved, tmp_path) -> None:
    original = saved(tiny(attention_bias=True), "original")
    for bias in ({}, {"bias_block_size": 8, "bias_width": 6}):
        for numerics in ("fake", "exact"):
            for dtype in (torch.float32, torch.bfloat16):
                model = AutoModelForCausalLM.from_pretrained(original, dtype=dtype)
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.add_(torch.randn_like(parameter) * 0.1)
                recipe = {"by": "type", "linear": {**mxint(4), **bias}}
                quantize_module_transform_pass(model, recipe, numerics=numerics)
                again = AutoModelForCausalLM.from_pretrained(saved(model), dtype=dtype)
                assert torch.equal(logits(again), logits(model))
                assert again.dtype == dtype
                assert not any(p.requires_grad for p in again.lm_head.parameters())
                query = again.model.layers[0].self_attn.q_proj
                assert not any(p.requires_grad for p in query.parameters())


def test_shards_a_device_map_and_the_base_class_work(saved) -> None:
    model = quantised(RECIPES["mxint4"])
    folder = saved(model, max_shard_size="4KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    expected = logits(model)
    for options in ({}, {"device_map": "cpu"}, {"device_map": {"": "cpu"}}):
        again = AutoModelForCausalLM.from_pretrained(folder, **options)
        assert torch.equal(logits(again), expected)
    assert torch.equal(logits(LlamaForCausalLM.from_pretrained(folder)), expected)


def test_a_tied_head_is_stored_beside_the_embedding(saved) -> None:
    model = quantised(RECIPES["mxint4"])
    names = load_file(saved(model) / "model.safetensors")
    assert {"model.embed_tokens.weight", "lm_head.stored.codes"} <= set(names)
    assert not model.config.tie_word_embeddings
    bypassed = quantised({"by": "regex_name", r"model\..*_proj": mxint(4)})
    names = load_file(saved(bypassed, "tied") / "model.safetensors")
    assert "lm_head.weight" not in names
    again = AutoModelForCausalLM.from_pretrained(saved(bypassed, "tied"))
    assert again.lm_head.weight is again.model.embed_tokens.weight


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("name", ["mxint4", "mxfp4", "mixed"])
def test_the_file_has_the_ideal_size(name, numerics, saved) -> None:
    sizes = {"hidden_size": 256, "head_dim": 64, "intermediate_size": 520, "vocab_size": 300}
    model = quantised(RECIPES[name], numerics, **sizes)
    ideal_bits = 0
    for module in model.modules():
        if isinstance(module, PackedWeight):
            mx = module.fmt
            rows, columns = module.shape
            blocks = rows * -(-columns // mx.block_size)
            ideal_bits += rows * columns * mx.element.width_bits + blocks * mx.scale_bits
            continue
        tensors = module._parameters.values()
        ideal_bits += sum(t.numel() * t.itemsize * 8 for t in tensors if t is not None)
    assert (saved(model) / "model.safetensors").stat().st_size <= 1.02 * ideal_bits / 8


def test_the_order_of_selectors_survives(saved) -> None:
    recipe = {
        "by": "regex_name",
        r"z.*|model\.layers\.0\..*_proj": mxint(3),
        r".*_proj": mxint(4),
        r"lm_head|.*\.mlp\..*": mxint(5),
    }
    again = AutoModelForCausalLM.from_pretrained(saved(quantised(recipe)))
    assert list(again.config.quantization_config.recipe) == list(recipe)
    assert again.model.layers[0].mlp.up_proj.stored.fmt.name == "mxint3"
    assert again.model.layers[1].mlp.up_proj.stored.fmt.name == "mxint4"


def test_the_machine_survives(saved) -> None:
    machine = HardwareConfig(
        mlen=32,
        vector_format=golden.get_format("e6m5"),
        accumulator_format=golden.get_format("q16.12", wrap=True),
    )
    model = tiny()
    quantize_module_transform_pass(model, RECIPES["mxint4"], numerics="exact", hw=machine)
    again = AutoModelForCausalLM.from_pretrained(saved(model))
    assert again.config.quantization_config.machine() == machine
    assert again.lm_head.hw == machine
    assert torch.equal(logits(again), logits(model))


def test_a_second_pass_is_refused() -> None:
    model = quantised(MIXED)
    with pytest.raises(FormatError, match="has been quantised before; put all selectors into one"):
        quantize_module_transform_pass(model, {"by": "name", "lm_head": mxint(4)})


def test_an_original_model_is_not_quantised_by_loading(saved) -> None:
    folder = saved(tiny())
    with pytest.raises(FormatError, match="give it to quantize_module_transform_pass"):
        AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=PlenaConfig(recipe=RECIPES["mxint4"])
        )


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_reader_without_plena_stops(numerics, saved, monkeypatch) -> None:
    """It would draw at random what it does not find; a weight of a wrong shape it refuses."""
    for number, recipe in enumerate((MIXED, {"phase": {"decode": {r".*_proj": mxint(4)}}})):
        folder = saved(quantised(recipe, numerics), str(number))
        AutoModelForCausalLM.from_pretrained(folder)
        with monkeypatch.context() as patch:
            patch.delitem(auto.AUTO_QUANTIZATION_CONFIG_MAPPING, "plena")
            patch.delitem(auto.AUTO_QUANTIZER_MAPPING, "plena")
            with pytest.raises(RuntimeError, match=r"ignore_mismatched_sizes"):
                AutoModelForCausalLM.from_pretrained(folder)


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[NAME]  # without digests what does not fit is still named
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config["quantization_config"])
    (folder / "config.json").write_text(json.dumps(config))


CODES = "model.layers.0.self_attn.q_proj.stored.codes"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(CODES), rf"{CODES}: is missing in the file; the weights are not those"),
        (lambda t: t.pop("model.norm.weight"), "model.norm.weight: is missing in the file"),
        (
            lambda t: t.update({CODES: t[CODES][:-1].clone()}),
            r"q_proj.stored: 1600 codes of 4 bits take 800 bytes, got .* of shape \(799,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(change, message, saved) -> None:
    folder = saved(quantised(RECIPES["mxint4"]))
    change_weights(folder, change)
    with pytest.raises(FormatError, match=message):
        AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), "saved with version 2 .* this release reads version 1"),
        (lambda c: c.update(extra=1), "unknown plena field 'extra'; known: recipe, numerics"),
        (lambda c: c.update(numerics="exakt"), "unknown numerics 'exakt'; known: fake, exact"),
        (lambda c: c.update(dtype="float3"), "unknown dtype 'float3'; known: float32, bfloat16"),
        (lambda c: c.pop("recipe"), "must be the tables of a recipe, got None"),
        (lambda c: c.update(recipe="{"), "recipe in config.json: not JSON"),
        (lambda c: c.update(recipe='{"by": "tipe"}'), r"by = 'tipe' is unknown"),
        (lambda c: c.update(hardware={"mlen": "a"}), "mlen must be a positive integer"),
        (lambda c: c.update(hardware={"size": 4}), "not the fields of a machine"),
        (lambda c: c.update(hardware=[3]), "not the fields of a machine"),
        (lambda c: c.update(hardware={"vector_format": {"kind": "x"}}), "not the fields of a mach"),
        (
            lambda c: c.update(recipe=json.dumps({"by": "type", "linear": mxint(5)})),
            "quantization_config in config.json is not the one that the weights were saved with",
        ),
    ],
)
def test_a_garbled_config_is_one_clear_error(change, message, saved) -> None:
    folder = saved(quantised(RECIPES["mxint4"]))
    change_config(folder, change)
    with pytest.raises(FormatError, match=message):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_recipe_without_tables_cannot_be_remembered() -> None:
    from dataclasses import replace

    recipe = replace(read_quant_config(RECIPES["mxint4"]), tables={})
    with pytest.raises(FormatError, match="has no tables to save"):
        quantize_module_transform_pass(tiny(), recipe)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_the_plain_export_needs_no_plena(numerics, tmp_path) -> None:
    model = quantised(MIXED, numerics, attention_bias=True)
    folder = tmp_path / "plain"
    export_dequantized(model, folder)
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    program = (
        "import sys, torch\n"
        "from transformers import AutoModelForCausalLM\n"
        f"model = AutoModelForCausalLM.from_pretrained({str(folder)!r})\n"
        "assert 'plena_cosim' not in sys.modules\n"
        f"torch.save(model.state_dict(), {str(tmp_path / 'state.pt')!r})\n"
    )
    alone = {**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}  # else torch tells transformers
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=alone
    )
    assert done.returncode == 0, done.stderr
    state = torch.load(tmp_path / "state.pt")
    original = tiny(attention_bias=True)
    assert set(state) == set(original.state_dict())
    weight = original.model.layers[0].mlp.down_proj.weight
    five = golden.get_format("mxint5", block_size=8)
    assert torch.equal(
        state["model.layers.0.mlp.down_proj.weight"], fakequant.quantize(weight, five)
    )
    for name, tensor in dequantized_state_dict(model).items():
        assert torch.equal(state[name], tensor), name


def test_the_plain_export_widens_where_it_must(tmp_path) -> None:
    # Under `mase` a power of two at the top of its block becomes 1023 units: more than bfloat16's 8
    # bits.
    for width, dtype in ((8, torch.bfloat16), (11, torch.float32)):
        recipe = {"by": "type", "linear": mxint(width, 8), "numerics": {"scale_rule": "mase"}}
        model = tiny().bfloat16()
        with torch.no_grad():
            model.model.layers[0].mlp.up_proj.weight[0, 0] = 4.0
        quantize_module_transform_pass(model, recipe, numerics="exact")
        export_dequantized(model, tmp_path / str(width))
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / str(width))
        assert plain.dtype == dtype
        weight = model.model.layers[0].mlp.up_proj.weight
        assert torch.equal(plain.model.layers[0].mlp.up_proj.weight.to(weight.dtype), weight)


def test_a_plain_module_has_a_plain_state(mlp) -> None:
    model = mlp()
    names = set(model.state_dict())
    quantize_module_transform_pass(model, {"by": "type", "linear": mxint(4)})
    assert set(dequantized_state_dict(model)) == names
    with pytest.raises(FormatError, match="only a transformers model can be exported, got Sequent"):
        export_dequantized(model, "nowhere")
