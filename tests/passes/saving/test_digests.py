"""A saved model that was changed on the way does not load."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.saving.digests import NAME

LINEAR = {
    "name": "mxint",
    "weight_block_size": 16,
    "weight_width": 4,
    "data_in_block_size": 16,
    "data_in_width": 8,
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": True}
    config = LlamaConfig(vocab_size=31, hidden_size=32, intermediate_size=48, **sizes)
    model = LlamaForCausalLM(config).eval()
    recipe = read_quant_config({"by": "type", "linear": LINEAR})
    quantize_module_transform_pass(model, recipe)
    model.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def load(folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder)


def _first_byte_of(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        length = struct.unpack("<Q", content[:8])[0]
        entry = json.loads(content[8 : 8 + length])[name]
        content[8 + length + entry["data_offsets"][0]] ^= 1
        path.write_bytes(content)

    return change


def _config(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        config["quantization_config"][key] = value
        path.write_text(json.dumps(config))

    return change


def _other_recipe(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('data_in_width\\": 8', 'data_in_width\\": 7'))


def _no_header(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[0] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_first_byte_of("model.embed_tokens.weight"), "model.embed_tokens.weight is damaged"),
        (_first_byte_of("model.norm.weight"), "model.norm.weight is damaged"),
        (_config("numerics", "exact"), "quantization_config in config.json is not the one"),
        (_first_byte_of(NAME), "plena.digests is unreadable"),
        (_other_recipe, "quantization_config in config.json is not the one"),
        (_no_header, "model.safetensors is damaged"),
    ],
)
def test_what_was_changed_is_named(saved: Path, change: Callable[[Path], None], said: str) -> None:
    load(saved)
    change(saved)
    with pytest.raises((FormatError, OSError), match=said):
        load(saved)


def test_packed_codes_have_digests(saved: Path) -> None:
    held = load_file(saved / "model.safetensors")
    known = json.loads(bytes(held[NAME].tolist()))["tensors"]
    assert set(held) - {NAME} <= set(known)
    codes = next(name for name in known if "q_proj" in name and "code" in name)
    _first_byte_of(codes)(saved)
    with pytest.raises(FormatError, match=r"q_proj.* is damaged"):
        load(saved)


def test_files_without_digests_load(saved: Path) -> None:
    path = saved / "model.safetensors"
    held = load_file(path)
    del held[NAME]
    save_file(held, path, metadata={"format": "pt"})
    load(saved)
    _first_byte_of("model.norm.weight")(saved)
    load(saved)


def test_what_was_loaded_is_saved_again(saved: Path, tmp_path: Path) -> None:
    load(saved).save_pretrained(tmp_path / "again")
    load(tmp_path / "again")
    one, two = (load_file(each / "model.safetensors") for each in (saved, tmp_path / "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_several_files(saved: Path, tmp_path: Path) -> None:
    load(saved).save_pretrained(tmp_path / "parts", max_shard_size="8KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    load(tmp_path / "parts")
