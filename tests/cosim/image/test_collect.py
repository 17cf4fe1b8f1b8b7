"""What of a model goes into an image: weights, and inputs and KV of a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from plena_cosim import fakequant
from plena_cosim.cosim.image.collect import layers_of, of_prompt, weights
from plena_cosim.cosim.image.verify import verify_image
from plena_cosim.cosim.image.write import write_image
from plena_cosim.golden import FormatError, HardwareConfig, get_format
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.load import read_quant_config

RECIPE = {
    "by": "regex_name",
    r"model\.layers\.\d+\.self_attn": {
        "name": "mxint",
        "kv_cache": {"data_in_width": 4, "data_in_block_size": 8},
        **{op: {"bypass": True} for op in ("qk_matmul", "av_matmul", "softmax", "rope")},
    },
    r"model\.layers\.\d+\..*_proj": {
        "name": "mxint",
        "weight_width": 4,
        "weight_block_size": 8,
        "data_in_width": 8,
        "data_in_block_size": 8,
    },
}
HW = HardwareConfig(mlen=32, blen=4, vlen=32, hlen=8)


def quantised(numerics: str) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=56,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    hw = HW if numerics == "exact" else None
    recipe = read_quant_config(RECIPE, source="a test")
    network = LlamaForCausalLM(config).eval()
    made, _ = quantize_module_transform_pass(network, recipe, numerics=numerics, hw=hw)
    return made


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_an_image_of_a_model(tmp_path: Path, numerics: str) -> None:
    model = quantised(numerics)
    ids = torch.arange(5)
    layers = frozenset({1})
    found = [*weights(model, layers), *of_prompt(model, ids, layers)]
    kinds = [one.kind for one in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "weight": 7,
        "activation": 7,
        "key": 1,
        "value": 1,
    }
    assert all("layers.1." in one.name for one in found)
    manifest = write_image(tmp_path / "image", found, hw=HW)
    by_name = {entry["name"]: entry for entry in manifest["tensors"]}
    assert by_name["model.layers.1.self_attn.key"]["shape"] == [1, 2, 5, 8]
    verify_image(tmp_path / "image", [*weights(model, layers), *of_prompt(model, ids, layers)])


def test_weights_are_golden_s_codes_of_the_original() -> None:
    model = quantised("fake")
    first = next(weights(model, None))
    torch.manual_seed(0)
    stored = dict(model.named_modules())[first.name]
    again = fakequant.quantize_mx(stored.values, get_format("mxint4", block_size=8))
    assert (again.scales.numpy() == first.scales).all()
    mx = get_format("mxint4", block_size=8)
    signed = ((first.codes.astype(int) ^ 8) - 8) * 2.0**-mx.element.frac_bits
    values = signed * 2.0 ** (first.scales.astype(int) - 127).repeat(8, axis=1)
    assert (values == stored.values.numpy()).all()


def test_layers() -> None:
    assert layers_of("0-2, 7") == {0, 1, 2, 7}
    for wrong in ("", "a", "3-1", "1,,2"):
        with pytest.raises(FormatError, match="is no list of numbers such as 0-2,7"):
            layers_of(wrong)
