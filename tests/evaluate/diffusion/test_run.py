"""`plena eval diffusion` on a saved model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from plena_cosim.evaluate.diffusion.denoising import Denoising
from plena_cosim.evaluate.diffusion.run import run_eval_diffusion
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError

from .conftest import masked_model

RECIPE = """
[".*query"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4
"""
HOW = Denoising(gen_length=6, block_length=3, steps=6)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    words = ["[CLS]", "[PAD]", "[UNK]", "[MASK]", *(f"w{number}" for number in range(36))]
    places = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(places, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", mask_token="[MASK]", pad_token="[PAD]"
    )
    fast.save_pretrained(tmp_path / "model")
    masked_model("bert").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def write(saved: Path, out: Path, tasks: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    path = out.parent / "tasks.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    console = Console(file=io.StringIO(), width=80)
    whole: dict[str, Any] = {"denoising": HOW, "out": out, "console": console} | given
    return run_eval_diffusion(model=str(saved), tasks=path, **whole)


def test_texts_are_judged_and_kept(saved: Path, tmp_path: Path) -> None:
    first = write(saved, tmp_path / "one", [{"prompt": "w1 w2"}, {"id": "b", "prompt": "w3"}])
    assert first["result"]["exact_match"] is None
    assert (first["result"]["texts"], first["result"]["passes"]) == (2, 12)
    lines = (tmp_path / "one" / "samples.jsonl").read_text().splitlines()
    texts = {each["sample"]: each["text"] for each in map(json.loads, lines)}
    tasks = [
        {"id": "b", "prompt": "w3", "answer": texts["b"][:5]},
        {"id": "line 1", "prompt": "w1 w2", "answer": "something else"},
    ]
    second = write(saved, tmp_path / "two", tasks)
    assert second["result"]["exact_match"] == 0.5
    again = [
        json.loads(line) for line in (tmp_path / "two" / "samples.jsonl").read_text().splitlines()
    ]
    assert {each["sample"]: each["text"] for each in again} == texts
    assert texts["b"] in (tmp_path / "two" / "report.html").read_text()


def test_a_recipe_counts(saved: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "four.toml"
    recipe.write_text(RECIPE)
    record = write(
        saved, tmp_path / "out", [{"prompt": "w1"}], quant_config=recipe, numerics="exact"
    )
    assert record["modules_replaced"] == "2"
    assert record["numerics"] == "exact"
    assert (tmp_path / "out" / "recipe.toml").read_text() == RECIPE


def test_mistakes_are_said(saved: Path, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(FormatError, match="mask 40 is none of the 40 tokens"):
        write(saved, out, [{"prompt": "w1"}], mask_id=40)
    with pytest.raises(TextSourceError, match="line 1: prompt: Field required"):
        write(saved, out, [{"promt": "w1"}])
    with pytest.raises(TextSourceError, match="cannot load model"):
        write(tiny_model, out, [{"prompt": "w1"}])
    assert not out.exists()
