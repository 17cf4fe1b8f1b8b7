"""Programs of a model leave the bits of hardware-exact torch."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from plena_cosim import golden
from plena_cosim.cli.main import app
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.machine import Machine, Memories
from plena_cosim.golden.isa.machine_code import read_machine_code
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.programs.errors import ProgramError
from plena_cosim.programs.from_model import ModelPrograms, by_torch, compare, parts_of

RECIPE = r"""
by = "regex_name"

[defaults]
name = "mxint"
weight_block_size = 8
weight_width = 4

["model\\.layers\\.\\d+\\.(self_attn\\.(q|k|v|o)_proj|mlp\\.(gate|up|down)_proj)|lm_head"]
data_in_block_size = 8
data_in_width = 8

["model\\.layers\\.\\d+\\.self_attn"]

    ["model\\.layers\\.\\d+\\.self_attn".qk_matmul]
    data_in_block_size = 8
    data_in_width = 8

    ["model\\.layers\\.\\d+\\.self_attn".av_matmul]
    data_in_block_size = 8
    data_in_width = 6

    ["model\\.layers\\.\\d+\\.self_attn".rope]
    data_in_exponent_width = 5
    data_in_frac_width = 6

    ["model\\.layers\\.\\d+\\.self_attn".softmax]
    bypass = true

    ["model\\.layers\\.\\d+\\.self_attn".kv_cache]
    data_in_block_size = 8
    data_in_width = 4

["model\\.layers\\.\\d+\\.mlp"]
name = "minifloat"
data_in_exponent_width = 5
data_in_frac_width = 6

["model\\.layers\\.\\d+\\.(input_layernorm|post_attention_layernorm|self_attn\\.(q|k)_norm)|model\\.norm"]
name = "minifloat"
weight_exponent_width = 5
weight_frac_width = 6
data_in_exponent_width = 5
data_in_frac_width = 5

["model\\.embed_tokens"]
"""
SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
HW = golden.HardwareConfig(mlen=16, vlen=16, blen=4, hlen=8)
MACHINE = Machine(hardware=HW, memories=Memories(vector_rows=512, hbm_bytes=1 << 20))
PROMPT = [int(token) for token in torch.randint(0, 61, (18,), generator=torch.manual_seed(3))]


def network(kind: str = "Llama", recipe: str = RECIPE, *, dtype=torch.bfloat16, **more):
    """Return a random model, quantised with exact numerics on the machine of the tests."""
    import transformers

    torch.manual_seed(5)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **more})
    made = getattr(transformers, f"{kind}ForCausalLM")(config).to(dtype).eval()
    for name, parameter in made.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    read = read_quant_config(tomllib.loads(recipe), source="recipe.toml")
    return quantize_module_transform_pass(made, read, numerics="exact", hw=HW)[0]


def differing(made, *, prompt=PROMPT, decode: int = 1, layers=None, capacity: int = 24):
    parts = parts_of(made, HW, layers=layers)
    programs = ModelPrograms(parts, MACHINE, capacity=capacity)
    passes = by_torch(parts, prompt, decode)
    for each in passes:
        inputs = None if parts.whole else programs.codes(each.inputs)
        programs.step(each.tokens, inputs=inputs)
    return compare(programs, passes)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Llama", {"num_hidden_layers": 2}),
        ("Llama", {"head_dim": 16, "attention_bias": True, "mlp_bias": True}),
        ("Qwen2", {"head_dim": 32}),
        ("Qwen3", {"head_dim": 16}),
        ("Mistral", {"sliding_window": 24}),
    ],
)
def test_models_are_exact_torch(kind: str, more) -> None:
    """A prompt of two tiles of keys, and a token after it: all logits."""
    found = differing(network(kind, **more))
    assert [each.differing for each in found] == [0, 0]
    assert [each.codes for each in found] == [18 * 61, 61]


def test_some_layers_alone() -> None:
    found = differing(network(num_hidden_layers=2), layers=(1, 1), prompt=PROMPT[:5], decode=1)
    assert [(each.codes, each.differing) for each in found] == [(5 * 32, 0), (32, 0)]


def test_without_a_cache_format() -> None:
    """Keys and values stay in V; products take MXINT16 where the recipe gives nothing."""
    parts = RECIPE.split("\n\n")
    kept = [each for each in parts if ".kv_cache]" not in each and ".rope]" not in each]
    recipe = "\n\n".join(kept)
    for name in ("qk_matmul", "av_matmul"):
        width = 8 if name == "qk_matmul" else 6
        recipe = recipe.replace(
            f".{name}]\n    data_in_block_size = 8\n    data_in_width = {width}",
            f".{name}]\n    bypass = true",
        )
    assert "kv_cache" not in recipe
    assert recipe.count("bypass = true") == 3
    with pytest.raises(ProgramError, match="heads of 8 in blocks of 32"):
        differing(network(recipe=recipe))
    found = differing(network(recipe=RECIPE.replace("data_in_width = 8", "data_in_width = 4")))
    assert [each.differing for each in found] == [0, 0]


def test_torch_loaded_in_float32_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"the model is torch\.float32, whose residual sums"):
        differing(network(dtype=torch.float32))


@pytest.mark.parametrize(
    ("kind", "more", "recipe", "message"),
    [
        (
            "Llama",
            {"hidden_act": "gelu_pytorch_tanh"},
            RECIPE,
            r"layers\.0\.mlp\.act_fn: no SiLU with exact",
        ),
        ("Gemma", {"head_dim": 8}, RECIPE, r"layers\.0: GemmaDecoderLayer; known are Llama"),
        ("Mistral", {"sliding_window": 8}, RECIPE, r"24 tokens; the model's attention sees a win"),
        (
            "Llama",
            {},
            RECIPE.replace("input_layernorm|", ""),
            r"layers\.0\.input_layernorm: no RMSNorm with exact numerics; select it",
        ),
        (
            "Llama",
            {},
            RECIPE.replace("|lm_head", ""),
            r"no program of this model: lm_head: no linear layer with exact numerics",
        ),
        (
            "Llama",
            {"hidden_size": 48, "head_dim": 12, "intermediate_size": 48},
            RECIPE,
            r"heads of 12 elements, no power of two",
        ),
    ],
)
def test_what_is_refused(kind: str, more, recipe: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        differing(network(kind, recipe, **more))


def test_more_tokens_than_room() -> None:
    with pytest.raises(ProgramError, match="18 tokens behind 0; the caches hold 17"):
        differing(network(), capacity=17)


def test_layers_that_are_not_there() -> None:
    with pytest.raises(ProgramError, match="layers 0 to 1; the model has 0 to 0"):
        differing(network(), layers=(0, 1))


def test_the_command(tiny_model: Path, words: Path, tmp_path: Path) -> None:
    """What it writes runs, and leaves what it compared."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "machine.toml").write_text(
        "[dimensions]\nmlen = 16\nvlen = 16\nblen = 4\nhlen = 8\n"
        "[memory]\nvector_rows = 512\nhbm_bytes = 1048576\n"
    )
    given = ["build-model", "--model", str(tiny_model), "--text", str(words)]
    given += ["--quant-config", str(tmp_path / "recipe.toml")]
    given += ["--machine", str(tmp_path / "machine.toml"), "--tokens", "3", "--decode", "1"]
    made = CliRunner().invoke(app, [*given, "--check", "--out", str(tmp_path / "out")])
    assert made.exit_code == 0, made.output
    rows = [line.split() for line in made.output.splitlines() if "│" in line]
    assert [row[-2] for row in rows] == ["0", "0"]
    folder = tmp_path / "out"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["programs"] == ["prefill.hex", "decode_1.hex"]
    machine = Machine.load(folder / "machine.toml")
    hbm = np.frombuffer((folder / "memory.bin").read_bytes(), np.uint8)
    for name in manifest["programs"]:
        it = Interpreter(machine, read_machine_code(folder / name), hbm=hbm)
        for _ in it.run():
            pass
        hbm = it.state.hbm
    logits = next(each for each in manifest["tensors"] if each["name"] == "decode 1.logits")
    assert hbm[logits["base"] :][:122].any()
    wrong = CliRunner().invoke(app, [*given, "--layers", "7"])
    assert wrong.exit_code != 0
