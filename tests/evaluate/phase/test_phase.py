"""Prefill and decode apart: what is scored, what formats count, and what is refused."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tests.evaluate.recipes import LINEAR

from plena_cosim.evaluate import load_model
from plena_cosim.evaluate.phase.phase_recipe import Activations, Part, part_of
from plena_cosim.evaluate.phase.run import run_eval_phase
from plena_cosim.evaluate.phase.score import decode_perplexity
from plena_cosim.evaluate.report_runs import run_compare
from plena_cosim.golden import FormatError
from plena_cosim.passes.recipe.recipe import Phase

CACHED = (
    LINEAR
    + """
["model\\\\.layers\\\\.\\\\d+\\\\.self_attn"]
name = "mxint"
kv_cache = { data_in_block_size = 4, data_in_width = 5 }
av_matmul = { data_in_block_size = 4, data_in_width = 6 }
"""
)
SHAPE = {"seqlen": 24, "prompt": 13, "limit": 120}
DECODE = {(Phase.DECODE, part): Activations(width=4) for part in Part}
PREFILL = {(Phase.PREFILL, part): Activations(width=4) for part in Part}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(CACHED)
    return path


@pytest.fixture
def given(tiny_model: Path, words: Path, recipe: Path) -> dict[str, Any]:
    return {
        "model": str(tiny_model),
        "text": str(words),
        "quant_config": recipe,
        "console": Console(file=io.StringIO(), width=100),
        **SHAPE,
    }


def figures(record: dict[str, Any]) -> tuple[float, float]:
    found = record["result"]
    return found["decode_perplexity"], found["prefill_perplexity"]


def test_decoding_scores_what_a_whole_pass_scores(tiny_model: Path) -> None:
    """Nothing is quantised here: a token more in the cache or in the pass is the same function."""
    network, _ = load_model(str(tiny_model))
    network.double()
    tokens = torch.arange(70) * 7 % 60
    found = decode_perplexity(network, tokens, seqlen=20, prompt=8, batch_size=2)
    assert (found.windows, found.decode_tokens, found.prefill_tokens) == (3, 33, 21)
    ids = tokens[:60].reshape(3, 20)
    with torch.no_grad():
        logs = network(ids).logits[:, :-1].log_softmax(-1)
    losses = -logs.gather(2, ids[:, 1:, None])[..., 0]
    assert found.prefill_perplexity == pytest.approx(losses[:, :7].mean().exp().item(), rel=1e-6)
    assert found.decode_perplexity == pytest.approx(losses[:, 8:].mean().exp().item(), rel=1e-6)


def test_decode_formats_count(given: dict[str, Any]) -> None:
    plain = figures(run_eval_phase(**given))
    decode = figures(run_eval_phase(**given, wanted=DECODE))
    prefill = figures(run_eval_phase(**given, wanted=PREFILL))
    assert decode[0] != plain[0]
    assert decode[1] == plain[1]
    assert prefill[0] != plain[0]  # decode reads the cache that prefill wrote
    assert prefill[1] != plain[1]
    only = {(Phase.DECODE, Part.FFN): Activations(width=4)}
    assert figures(run_eval_phase(**given, wanted=only))[0] not in (plain[0], decode[0])


def test_it_is_the_recipe_that_one_would_write(given: dict[str, Any], tmp_path: Path) -> None:
    wanted = {
        (Phase.PREFILL, Part.ATTENTION): Activations(width=6),
        (Phase.DECODE, Part.FFN): Activations(width=4, block_size=8),
    }
    out = tmp_path / "run"
    made = run_eval_phase(**given, wanted=wanted, out=out)
    attention = LINEAR.replace("\\\\..*_proj", "\\\\.\\\\d+\\\\.self_attn\\\\.(q|k|v|o)_proj")
    ffn = LINEAR.replace("\\\\..*_proj", "\\\\.\\\\d+\\\\.mlp\\\\.(gate|up|down)_proj")
    text = CACHED
    text += attention.replace("[", "[phase.prefill.").replace(
        "data_in_width = 8", "data_in_width = 6"
    )
    text += ffn.replace("[", "[phase.decode.").replace("data_in_width = 8", "data_in_width = 4")
    text = text.replace(
        "data_in_block_size = 16\ndata_in_width = 4", "data_in_block_size = 8\ndata_in_width = 4"
    )
    path = tmp_path / "written.toml"
    path.write_text(text)
    written = run_eval_phase(**given | {"quant_config": path})
    assert figures(made) == figures(written)
    # The copy in the folder is the recipe with its phases, and can be given again.
    copy = out / "recipe.toml"
    assert set(tomllib.loads(copy.read_text())["phase"]) == {"prefill", "decode"}
    assert figures(run_eval_phase(**given | {"quant_config": copy})) == figures(made)


def test_exact_numerics_give_the_same_in_any_batch(given: dict[str, Any], recipe: Path) -> None:
    """The head is quantised here, too: torch's own products may sum in another order."""
    recipe.write_text(CACHED.replace("_proj", "_proj|lm_head"))
    found = {
        size: figures(run_eval_phase(**given, wanted=DECODE, numerics="exact", batch_size=size))
        for size in (1, 3, 4)
    }
    assert found[1] == found[3] == found[4]


def test_a_run_goes_on_by_whole_batches(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    whole = run_eval_phase(**given, batch_size=2, out=out)
    lines = (out / "samples.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 4
    (out / "samples.jsonl").write_text("".join(lines[:3]))
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(run | {"state": "running"}))
    again = run_eval_phase(**given, batch_size=2, out=out)
    assert figures(again) == figures(whole)


def test_beside_the_baseline(given: dict[str, Any], tmp_path: Path) -> None:
    run_eval_phase(**given, wanted=DECODE, out=tmp_path / "runs/quantised")
    run_eval_phase(**given | {"quant_config": None}, out=tmp_path / "runs/float")
    record = run_compare(
        [tmp_path / "runs/quantised"], out=tmp_path / "out", console=given["console"]
    )
    names = [pair["name"] for pair in record["runs"][0]["differences"]]
    assert names == ["decode token perplexity", "prefill token perplexity"]
    assert "Activations by phase" in (tmp_path / "runs/quantised/report.html").read_text()


def test_parts_of_a_model(tiny_model: Path) -> None:
    network, _ = load_model(str(tiny_model))
    assert part_of(network, "model.layers.0.self_attn.q_proj") is Part.ATTENTION
    assert part_of(network, "model.layers.1.mlp.up_proj") is Part.FFN
    assert part_of(network, "lm_head") is None


def test_what_is_refused(given: dict[str, Any], recipe: Path) -> None:
    with pytest.raises(FormatError, match="go with a recipe"):
        run_eval_phase(**given | {"quant_config": None}, wanted=DECODE)
    with pytest.raises(FormatError, match="2 … 22 tokens of a window of 24; got 23"):
        run_eval_phase(**given | {"prompt": 23})
    with pytest.raises(FormatError, match="needs a whole window"):
        run_eval_phase(**given | {"limit": 20})
    recipe.write_text(CACHED.replace(".*_proj", "\\\\d+\\\\.mlp\\\\..*_proj"))
    with pytest.raises(FormatError, match="quantises no layer of attn, whose decode"):
        run_eval_phase(**given, wanted=DECODE)
    recipe.write_text(CACHED + LINEAR.replace("[", "[phase.decode."))
    with pytest.raises(FormatError, match=r"selectors in \[phase\] of its own"):
        run_eval_phase(**given, wanted=DECODE)
    recipe.write_text('by = "type"\n' + LINEAR.replace('"model\\\\.layers\\\\..*_proj"', "linear"))
    with pytest.raises(FormatError, match="chooses modules by type"):
        run_eval_phase(**given, wanted=DECODE)
    fp = LINEAR.replace("mxint", "mxfp").replace(
        "weight_width = 4", "weight_exponent_width = 2\nweight_frac_width = 1"
    )
    recipe.write_text(
        fp.replace("data_in_width = 8", "data_in_exponent_width = 2\ndata_in_frac_width = 1")
    )
    with pytest.raises(FormatError, match="of MXFP with 4, 6, 8 bits; got 5 for mxfp"):
        run_eval_phase(**given, wanted={(Phase.DECODE, Part.FFN): Activations(width=5)})
    run_eval_phase(**given, wanted={(Phase.DECODE, Part.FFN): Activations(width=8)})
