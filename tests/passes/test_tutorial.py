"""The reference's tutorial on MX post-training quantisation: its loader and calls as printed."""

from __future__ import annotations

import json
import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import AutoModelForCausalLM, AutoTokenizer

from plena_cosim.evaluate import load_model
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.sources import load_text

from ..task_folder import write_task

ATTENTION = r"""
['model\.layers\.\d+\.self_attn$']
name = "mxint"

['model\.layers\.\d+\.self_attn$'.qk_matmul]
bypass = true

['model\.layers\.\d+\.self_attn$'.av_matmul]
bypass = true

['model\.layers\.\d+\.self_attn$'.kv_cache]
data_in_block_size = 32
data_in_width      = 4

['model\.layers\.\d+\.self_attn$'.softmax]
bypass = true

['model\.layers\.\d+\.self_attn$'.rope]
bypass = true
"""
LINEAR = r"""
['model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj']
name = "mxint"
weight_block_size = 32
weight_width = 4
data_in_block_size = 32
data_in_width = 4
{gptq}
['model\.layers\.\d+\.mlp\.(gate|up|down)_proj']
name = "mxint"
weight_block_size = 32
weight_width = 4
data_in_block_size = 32
data_in_width = 4
{gptq}
"""
GPTQ = """
[gptq]
model_name       = "{model}"
format           = "mxint"
dataset          = "file:{text}"
nsamples         = 4
seqlen           = 16
cali_batch_size  = 2
quantile_search  = true
clip_search_y    = true
checkpoint_dir   = "{folder}/checkpoints/config_b_gptq"

    [gptq.weight_config]
    weight_block_size = 32
    weight_width      = 4
"""
SEARCH = """
[rotation_search]
calib_nsamples  = 2
calib_seqlen    = 16
improvement_eps = 0.0
cache_path      = "{folder}/checkpoints/config_c_rotsearch/rotation_decisions.json"
"""


def load_quant_config(path: Path) -> dict[str, Any]:
    with open(path, "rb") as f:  # noqa: PTH123  (as printed)
        raw = tomllib.load(f)
    by = raw.pop("by", "regex_name")
    pass_args = {"by": by}
    gptq = raw.pop("gptq", None)
    if gptq is not None:
        pass_args["gptq"] = deepcopy(gptq)
    for key, value in raw.items():
        pass_args[key] = {"config": deepcopy(value)}
    return pass_args


@pytest.mark.parametrize("config", ["a", "b", "c"])
def test_a_config_of_the_tutorial_runs(tmp_path: Path, tiny_model: Path, config: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text(" ".join(f"w{i * i % 60}" for i in range(400)))
    places = {"model": tiny_model, "text": text, "folder": tmp_path}
    tables = {
        "a": ATTENTION + LINEAR.format(gptq=""),
        "b": GPTQ.format(**places) + ATTENTION + LINEAR.format(gptq="gptq = true"),
        "c": (GPTQ + SEARCH).format(**places) + ATTENTION + LINEAR.format(gptq="gptq = true"),
    }
    config_toml = tmp_path / "config.toml"
    config_toml.write_text('by = "regex_name"\n' + tables[config])
    model = AutoModelForCausalLM.from_pretrained(
        tiny_model, torch_dtype=torch.float16, attn_implementation="eager"
    )
    model.eval()
    pass_args = load_quant_config(config_toml)
    model, info = quantize_module_transform_pass(model, pass_args)
    model.to("cpu")
    assert len(info) == 2 * (1 + 7)
    calibrated = [name for name, entry in info.items() if entry.calibration]
    assert len(calibrated) == (0 if config == "a" else 14)
    assert (tmp_path / "checkpoints").exists() == (config != "a")
    with torch.no_grad():
        logits = model(torch.arange(16)[None]).logits
    assert bool(logits.isfinite().all())


@pytest.fixture
def cut_model(tmp_path: Path) -> Path:
    """The first two layers of the demo model, saved."""
    model, tokenizer = load_model("demo")
    del model.model.layers[2:]
    model.config.num_hidden_layers = 2
    model.model.norm.weight.data *= 0.4  # else it would be very sure of what it does not know
    model.save_pretrained(tmp_path / "cut")
    tokenizer.save_pretrained(tmp_path / "cut")
    return tmp_path / "cut"


def write_page(folder: Path, page: str) -> Any:
    """A task that measures the perplexity of a page; returns lm-eval's manager of it."""
    write_task(
        folder,
        "page",
        {"test": [{"page": page}]},
        test_split="test",
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{page}}",
        metric_list=[{"metric": "word_perplexity"}],
    )
    return TaskManager(include_path=str(folder), include_defaults=False)


def evaluate_perplexity(model, tokenizer, tasks, max_length=2048, batch_size=8) -> float:
    """As printed, but for the name of the task and its manager."""
    lm = HFLM(pretrained=model, tokenizer=tokenizer, max_length=max_length, batch_size=batch_size)
    results = simple_evaluate(
        model=lm, tasks=["page"], batch_size=batch_size, limit=None, task_manager=tasks
    )
    metrics = results["results"]["page"]
    for k, v in metrics.items():
        if k.startswith("word_perplexity"):
            return float(v)
    raise KeyError(f"word_perplexity not found: {list(metrics)}")


def word_perplexity(model, tokenizer, page: str) -> float:
    """By hand: every token of the page after the one that begins a text, a word for a space."""
    ids = tokenizer(tokenizer.bos_token + page, return_tensors="pt").input_ids
    with torch.no_grad():
        scores = model(ids).logits[0, :-1].double().log_softmax(-1)
    taken = scores.gather(1, ids[0, 1:, None])
    return float((-taken.sum() / len(re.split(r"\s+", page))).exp())


@pytest.mark.demo
def test_the_tutorial_from_its_first_line_to_its_last_number(
    tmp_path: Path, cut_model: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = load_text("demo")
    page = words[: words.index("\n", 300)].strip()
    tasks = write_page(tmp_path, page)
    text = tmp_path / "text.txt"
    text.write_text(words[20_000:30_000])
    tokenizer = AutoTokenizer.from_pretrained(cut_model, trust_remote_code=True)
    places = {"model": cut_model, "text": text, "folder": tmp_path}
    gptq = GPTQ.format(**places).replace("= 16", "= 64")
    search = SEARCH.format(**places).replace("calib_nsamples  = 2", "calib_nsamples  = 1")
    linear, calibrated = LINEAR.format(gptq=""), LINEAR.format(gptq="gptq = true")
    configs = {
        "a": ATTENTION + linear,
        "b": gptq + ATTENTION + calibrated,
        "c": gptq + search + ATTENTION + calibrated,
    }

    def fresh_model(attn_implementation: str = "eager") -> Any:
        model = AutoModelForCausalLM.from_pretrained(
            cut_model, torch_dtype=torch.float16, attn_implementation=attn_implementation
        )
        model.eval()
        return model

    model = fresh_model(attn_implementation="sdpa")
    found = {"fp16": evaluate_perplexity(model, tokenizer, tasks)}
    own = {"fp16": word_perplexity(model, tokenizer, page)}
    infos, kept = {}, {}
    for name, tables in configs.items():
        config_toml = tmp_path / f"config_{name}.toml"
        config_toml.write_text('by = "regex_name"\n' + tables)
        model = fresh_model(attn_implementation="eager")
        pass_args = load_quant_config(config_toml)
        model, infos[name] = quantize_module_transform_pass(model, pass_args)
        model.to("cpu")
        found[name] = evaluate_perplexity(model, tokenizer, tasks)
        own[name] = word_perplexity(model, tokenizer, page)
        layers = (tmp_path / "checkpoints" / "config_b_gptq").rglob("*.safetensors")
        kept[name] = {path: path.stat().st_mtime_ns for path in layers}
    assert found == pytest.approx(own, rel=0.05)  # lm-eval sums in fp16, in steps of a half here
    assert len(set(own.values())) == 4
    assert kept["a"] == {}
    assert len(kept["b"]) == 2
    assert kept["b"].items() < kept["c"].items()  # a rotated weight is calibrated as it is rotated
    decisions = tmp_path / "checkpoints" / "config_c_rotsearch" / "rotation_decisions.json"
    record = json.loads(decisions.read_text())
    winners = [each["winner"] for each in record["rounds"] if each["winner"]]
    assert winners
    best = [record["baseline"], *(min(each["tried"].values()) for each in record["rounds"])]
    falling = best[: len(winners) + 1]
    assert falling == sorted(falling, reverse=True)
    rotated = {name.rpartition(".")[2] for name, info in infos["c"].items() if info.rotation}
    inside = {part for info in infos["c"].values() for part in info.rotated_inside or ()}
    assert rotated | inside == set(winners)
    assert not any(info.rotation for info in infos["b"].values())
