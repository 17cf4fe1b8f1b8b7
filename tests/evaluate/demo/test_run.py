"""The demo: the parts on a tiny model, and the real model where it can be had."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from plena_cosim import golden
from plena_cosim.evaluate import evaluate_perplexity, load_model, load_text
from plena_cosim.evaluate.demo import run as demo
from plena_cosim.evaluate.demo.equivalence import (
    capture_inputs,
    compare_matmul,
    compare_quantize,
    count_differing_bits,
)
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.sources import tokenize

ROOT = Path(__file__).parents[3]


def test_captured_inputs_are_what_the_layer_receives(tiny_model: Path) -> None:
    model, _ = load_model(str(tiny_model))
    ids = torch.arange(12)
    name = "model.layers.0.self_attn.q_proj"
    with torch.no_grad():
        embedded = model.model.embed_tokens(ids)
        expected = model.model.layers[0].input_layernorm(embedded)
    assert torch.equal(capture_inputs(model, ids, [name])[name], expected)
    assert not model.get_submodule(name)._forward_pre_hooks


def test_equal_results_count_no_mismatch() -> None:
    x, w = torch.randn(6, 40), torch.randn(5, 40)
    found = compare_quantize([x, w], "noise")
    assert found.mismatches == 0
    assert found.values == 24 * (240 + 200)
    mx, hw = golden.get_format("mxint4", block_size=16), golden.HardwareConfig()
    found = compare_matmul(x, w, "noise", mx, hw)
    assert (found.values, found.mismatches) == (30, 0)


def test_a_difference_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    a = torch.tensor([1.0, torch.nan, -0.0, 2.0]).numpy()
    b = torch.tensor([1.0, -torch.nan, 0.0, 2.0000002]).numpy()
    assert count_differing_bits(a, b) == 2
    assert count_differing_bits(a, a) == 0
    other = golden.get_format("mxint4", scale_rule="ceil")
    from plena_cosim import fakequant

    honest = fakequant.quantize
    monkeypatch.setattr(fakequant, "quantize", lambda x, mx: honest(x, other))
    assert compare_quantize([torch.randn(4, 40)], "noise").mismatches > 0


def test_the_whole_demo_on_a_tiny_model(tiny_model, words, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(demo, "load_model", lambda name, cache: load_model(str(tiny_model)))
    monkeypatch.setattr(demo, "load_text", lambda name, cache: words.read_text())
    monkeypatch.setattr(demo, "_LAYERS", (0, 1))
    console = Console(file=io.StringIO(), width=140)
    out = tmp_path / "results"
    recipes = ROOT / "configs" / "quant"
    assert demo.run_demo(out=out, recipes=recipes, tokens=96, seqlen=32, console=console)
    record = json.loads((out / "results.json").read_text())
    assert [(row["format"], row["numerics"]) for row in record["perplexity"]] == [
        ("fp32", "-"),
        ("MXINT8", "fake"),
        ("MXINT8", "exact"),
        ("MXINT4", "fake"),
        ("MXINT4", "exact"),
        ("MXFP4", "fake"),
        ("MXFP4", "exact"),
    ]
    assert not any(entry["mismatches"] for entry in record["equivalence"])
    assert (out / "perplexity.png").read_bytes().startswith(b"\x89PNG")
    assert "come from a 4-bit file" in record["caveat"]
    assert "come from a 4-bit file" in " ".join(console.file.getvalue().split())


@pytest.mark.demo
def test_the_demo_model_reads_english() -> None:
    text = load_text("demo")
    assert text.startswith("Anarchism\n\nAnarchism is a political philosophy")
    assert 199_000 < len(text.encode()) <= 200_000
    assert not any(mark in text for mark in ("{{", "[[", "<ref", "'''"))
    model, tokenizer = load_model("demo")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    tokens = tokenize(tokenizer, text, limit=256)
    plain = evaluate_perplexity(model, tokens, seqlen=256).token_perplexity
    assert 5 < plain < 40
    recipe = demo.load_quant_config(ROOT / "configs" / "quant" / "llama_w8a8_mxint.toml")
    _, info = quantize_module_transform_pass(model, recipe, numerics="exact")
    assert len(info) == 210
    eight = evaluate_perplexity(model, tokens, seqlen=256).token_perplexity
    assert eight == pytest.approx(plain, rel=0.05)
    assert eight != plain
