"""What parts of a recipe cost: each figure against a model quantised by a recipe that says it."""

from __future__ import annotations

import io
import itertools
import json
import math
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from plena_cosim.evaluate import evaluate_perplexity, load_model
from plena_cosim.evaluate.attribution.measure import Losses
from plena_cosim.evaluate.attribution.mix import cheapest
from plena_cosim.evaluate.attribution.run import run_eval_attribute
from plena_cosim.evaluate.report_runs import run_compare
from plena_cosim.golden import FormatError
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.passes.selective import SelectivePass
from plena_cosim.sources import TextSourceError, tokenize

RECIPE = """
["model\\\\.layers\\\\.\\\\d+\\\\..*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4

["model\\\\.layers\\\\.\\\\d+\\\\.self_attn"]
name = "mxint"
kv_cache = { data_in_block_size = 4, data_in_width = 4 }
qk_matmul = { data_in_block_size = 4, data_in_width = 5 }
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    path.write_text(" ".join(f"w{(i * i + 3 * i) % 60}" for i in range(400)))
    return path


@pytest.fixture
def given(tiny_model: Path, text: Path, recipe: Path) -> dict[str, Any]:
    return {
        "model": str(tiny_model),
        "text": str(text),
        "quant_config": recipe,
        "seqlen": 16,
        "limit": 100,
        "console": Console(file=io.StringIO(), width=80),
    }


def loss(given: dict[str, Any], toml: str | None) -> float:
    """Nats a token under another recipe, from a fresh model."""
    network, tokenizer = load_model(given["model"])
    if toml is not None:
        path = given["quant_config"].with_name("other.toml")
        path.write_text(toml)
        quantize_module_transform_pass(network, load_quant_config(path))
    tokens = tokenize(tokenizer, Path(given["text"]).read_text())[:96]
    found = evaluate_perplexity(network, tokens, seqlen=16)
    return found.negative_log_likelihood / found.scored_tokens


def costs(record: dict[str, Any]) -> dict[tuple[str, str, str], float]:
    return {(each["axis"], each["group"], each["mode"]): each["cost"] for each in record["shares"]}


def test_costs_are_those_of_recipes_that_say_the_same(given: dict[str, Any]) -> None:
    record = run_eval_attribute(**given)
    found = costs(record)
    nothing, everything = loss(given, None), loss(given, RECIPE)
    assert record["cost"] == pytest.approx(everything - nothing, abs=1e-9)
    linear, attention = RECIPE.split("\n\n")
    only_up = linear.replace("..*_proj", ".mlp\\\\.up_proj")
    assert found["op", "up_proj", "in"] == pytest.approx(loss(given, only_up) - nothing, abs=1e-9)
    without = f'exclude = [".*up_proj"]\n{RECIPE}'
    assert found["op", "up_proj", "out"] == pytest.approx(
        everything - loss(given, without), abs=1e-9
    )
    first = RECIPE.replace("\\\\d+", "0")
    assert found["layer", "layer 0", "in"] == pytest.approx(loss(given, first) - nothing, abs=1e-9)
    weights = "\n".join(line for line in linear.splitlines() if "data_in" not in line)
    assert found["role", "weight", "in"] == pytest.approx(loss(given, weights) - nothing, abs=1e-9)
    cache = attention.replace("qk_matmul = { data_in_block_size = 4, data_in_width = 5 }", "")
    assert found["op", "kv_cache", "in"] == pytest.approx(loss(given, cache) - nothing, abs=1e-9)
    pair = weights.replace("..*_proj", ".mlp\\\\.up_proj")
    assert found["op×role", "up_proj×weight", "in"] == pytest.approx(
        loss(given, pair) - nothing, abs=1e-9
    )
    assert {group for axis, group, _ in found if axis == "role"} == {
        "weight",
        "data_in",
        "kv_cache",
        "qk_matmul",
    }
    shares = [each for each in record["shares"] if each["axis"] == "op"]
    total = record["cost"]
    assert total != 0
    for each in shares:
        assert each["share"] == (each["cost"] / total if total > 0 else None)
    assert [each for each in shares if not each["error"]] == []


def test_what_is_calibrated_is_calibrated_once(given: dict[str, Any], tiny_model: Path) -> None:
    """Each choice takes the weights that [gptq] has found for the whole recipe."""
    toml = (
        RECIPE.replace("weight_width = 4", "weight_width = 4\ngptq = true", 1)
        + """
[gptq]
model_name = "demo"
format = "mxint"
dataset = "demo"
nsamples = 4
seqlen = 16
[gptq.weight_config]
weight_block_size = 16
weight_width = 4
"""
    )
    given["quant_config"].write_text(toml)
    recipe = load_quant_config(given["quant_config"])
    tokens = (torch.arange(64) * 7 % 60).reshape(4, 16)
    network, _ = load_model(str(tiny_model))
    whole, _ = quantize_module_transform_pass(network, recipe, tokens=tokens)
    network, _ = load_model(str(tiny_model))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = SelectivePass(network, recipe, tokens=tokens)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.equal(made.applied(lambda each: each.fmt)(ids).logits, whole(ids).logits)
        plain = made.applied(lambda _: None)
        assert torch.equal(plain(ids).logits, network(ids).logits)
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


def test_phases_keep_their_formats(given: dict[str, Any], tiny_model: Path) -> None:
    phase = (
        RECIPE.split("\n\n")[0]
        .replace("[", "[phase.decode.")
        .replace("data_in_width = 4", "data_in_width = 8")
    )
    given["quant_config"].write_text(RECIPE + phase)
    recipe = load_quant_config(given["quant_config"])
    network, _ = load_model(str(tiny_model))
    whole, _ = quantize_module_transform_pass(network, recipe)
    network, _ = load_model(str(tiny_model))
    part = SelectivePass(network, recipe).applied(lambda each: each.fmt)
    ids = torch.arange(12)[None]
    found = [
        each.generate(
            ids,
            max_new_tokens=6,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        ).logits
        for each in (whole, part)
    ]
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_run_goes_on(given: dict[str, Any], tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "run"
    whole = run_eval_attribute(**given, out=out)
    lines = (out / "samples.jsonl").read_text().splitlines(keepends=True)
    (out / "samples.jsonl").write_text("".join(lines[:20]))
    made = []
    real = SelectivePass.applied
    monkeypatch.setattr(
        SelectivePass,
        "applied",
        lambda *args: made.append(1) or real(*args),  # type: ignore[func-returns-value]
    )
    again = run_eval_attribute(**given, out=out)
    assert costs(again) == costs(whole)
    assert len(made) == len(lines) // 6 - 20 // 6  # six windows each
    report = (out / "report.html").read_text()
    assert "heat map of costs" in report
    with pytest.raises(FormatError, match="no figures of one model"):
        run_compare([out], baseline=out, out=tmp_path, console=given["console"])


def test_cheapest_widths_against_all_choices() -> None:
    draw = random.Random(0)
    for _ in range(200):
        sizes = {name: draw.choice([1, 2, 3]) for name in "abcde"}
        prices = {}
        for name in sizes:
            prices[name, 3] = draw.random()
            prices[name, 5] = -draw.random() * prices[name, 3]  # a further bit gains less
        found = cheapest(prices, sizes, [3, 5], 4)

        def price(widths: tuple[int, ...], prices: Any = prices, sizes: Any = sizes) -> float:
            return sum(prices.get(pair, 0.0) for pair in zip(sizes, widths, strict=True))

        def bits(widths: tuple[int, ...], sizes: Any = sizes) -> int:
            pairs = zip(sizes.values(), widths, strict=True)
            return sum(size * (width - 4) for size, width in pairs)

        mine = tuple(found.get(name, 4) for name in sizes)
        assert bits(mine) <= 0
        # Of all choices with no more bits than ours, none is cheaper; and ours is no loss.
        every = itertools.product((3, 4, 5), repeat=5)
        rivals = [price(each) for each in every if bits(each) <= bits(mine)]
        assert price(mine) == pytest.approx(min(rivals)) or found == {}
        assert price(mine) <= 0


def test_a_mixed_recipe_is_measured_on_unseen_text(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    record = run_eval_attribute(**given, by=["op"], heat=None, bits=4.5, test_tokens=160, out=out)
    test, mix = record["test"], record["mix"]
    assert mix["width"] == 4
    assert test["uniform_bits"] == mix["uniform_bits"] == 4.5
    assert test["mixed_bits"] == pytest.approx(mix["bits"])
    assert test["mixed_bits"] <= 4.5
    mixed = tomllib.loads((out / "mixed.toml").read_text())
    widths = {table["weight_width"] for table in mixed.values() if "weight_width" in table}
    assert widths - {4} == set(mix["widths"].values())
    assert mix["widths"], "the tiny model is to have some widths that differ"
    # The recipe in the folder gives the figure in the record.
    network, tokenizer = load_model(given["model"])
    _, info = quantize_module_transform_pass(network, load_quant_config(out / "mixed.toml"))
    for name, width in mix["widths"].items():
        assert info[name].weight == f"mxint{width}"
    tokens = tokenize(tokenizer, Path(given["text"]).read_text())[96 : 96 + 160]
    found = evaluate_perplexity(network, tokens, seqlen=16)
    assert found.token_perplexity == test["mixed_perplexity"]
    shown = given["console"].file.getvalue()
    said = "wins:" if test["wins"] else "does not win"
    assert said in " ".join(shown.split())
    assert test["wins"] == (test["change"] + 2 * test["error"] < 0)
    assert json.loads((out / "results.json").read_text())["test"] == test


def test_losses_without_a_spread() -> None:
    losses = Losses.__new__(Losses)
    losses.scored = 10
    assert losses.rise([3.0], [1.0]) == (0.2, None)
    assert losses.rise([math.inf, 1.0], [1.0, 1.0]) == (math.inf, None)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (("", ""), {"by": ["kind"]}, "unknown axis 'kind'; known: op, layer, role"),
        (("", ""), {"limit": 10}, "not one window of 16"),
        (("", ""), {"bits": 2.9}, "leaves 2 bits"),
        (("", ""), {"bits": 4.5, "limit": 400}, "text after it"),
        (("weight_block_size = 16\nweight_width = 4", ""), {"bits": 4.5}, "only widths of MXINT"),
    ],
)
def test_what_is_refused(
    change: tuple[str, str], options: dict[str, Any], message: str, given: dict[str, Any]
) -> None:
    given["quant_config"].write_text(RECIPE.replace(*change) if change[0] else RECIPE)
    with pytest.raises((FormatError, TextSourceError), match=message):
        run_eval_attribute(**given | options)
