"""Documents as lm-eval's own tasks score them: prepared by it, counted as they came."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import lm_eval
import lm_eval.tasks
import pytest
from lm_eval.tasks import TaskManager
from rich.console import Console
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.harness.documents import load_documents
from plena_cosim.evaluate.harness.model import PlenaLM
from plena_cosim.sources.hub_text import HUB, HubPart

pytestmark = pytest.mark.usefixtures("_no_hub")

RECIPE = """
["model\\\\.layers\\\\.\\\\d+\\\\..*_proj|lm_head"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4

["model\\\\.layers\\\\.\\\\d+\\\\.self_attn"]
name = "mxint"
qk_matmul = { data_in_block_size = 4, data_in_width = 5 }
av_matmul = { data_in_block_size = 8, data_in_width = 4 }
kv_cache = { data_in_block_size = 4, data_in_width = 5 }
"""

PAGES = [
    " \n = w1 w2 = \n \n w3 w4 , w5 @-@ w6 w7 's w8 . w9 ( w10 ) w11 3 @,@ 000 w12 @.@ 5 w13 \n",
    ' = = w14 = = \n w15 w16 ; w17 : w18 " w19 w20 " w21 N w22 ! w23 ',
    "w24 w25 w26",
    " ".join(f"w{(i * i + 3) % 60} ," for i in range(40)),
]
METRICS = ("word_perplexity", "byte_perplexity", "bits_per_byte")


@pytest.fixture(autouse=True)
def _no_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No standard errors: lm-eval draws 100,000 samples for each."""
    monkeypatch.setattr("lm_eval.api.metrics.bootstrap_stderr", lambda f, xs, iters: 0.0)


@pytest.fixture
def model(ending_model: Path, tmp_path: Path) -> Path:
    """One to whose tokenizer a word and its comma are not two words."""
    folder = tmp_path / "model"
    shutil.copytree(ending_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    path = tmp_path / "pages.jsonl"
    path.write_text("\n".join(json.dumps({"page": page}) for page in PAGES))
    return path


def wikitext_on(pages: Path, folder: Path) -> TaskManager:
    """lm-eval's own task on pages of ours: its two files, with another place for the data."""
    theirs = Path(lm_eval.tasks.__file__).parent / "wikitext"
    folder.mkdir()
    shutil.copy(theirs / "preprocess_wikitext.py", folder)
    lines = (theirs / "wikitext.yaml").read_text().splitlines()
    given = ("dataset_path:", "dataset_name:", "training_split:", "validation_split:")
    lines = [line for line in lines if not line.startswith(given)]
    lines += ["dataset_path: json", f"dataset_kwargs: {{data_files: {{test: {pages}}}}}"]
    (folder / "wikitext.yaml").write_text("\n".join(lines))
    return TaskManager(include_path=str(folder), include_defaults=False)


def perplexity(text: str, model: Path, **options: Any) -> dict[str, Any]:
    record = run_eval_ppl(
        model=str(model),
        text=text,
        protocol="lm-eval",
        seqlen=24,
        console=Console(file=io.StringIO()),
        **options,
    )
    found: dict[str, Any] = record["result"]
    return found


@pytest.mark.parametrize(("numerics", "size"), [("fake", 1), ("exact", 3)])
def test_the_figures_of_lm_evals_wikitext(
    numerics: str, size: int, model: Path, recipe: Path, pages: Path, tmp_path: Path
) -> None:
    lm = PlenaLM(
        str(model), recipe=recipe, numerics=numerics, device="cpu", max_length=24, batch_size=size
    )
    manager = wikitext_on(pages, tmp_path / "tasks")
    found = lm_eval.simple_evaluate(lm, tasks=["wikitext"], task_manager=manager)
    assert found is not None
    theirs = [found["results"]["wikitext"][f"{metric},none"] for metric in METRICS]
    options: dict[str, Any] = {"quant_config": recipe, "numerics": numerics, "batch_size": size}
    ours = perplexity(str(pages), model, **options)
    assert [ours[metric] for metric in METRICS] == theirs
    assert ours["bytes"] == sum(len(page) for page in PAGES)
    # Preparing changes what is scored.
    as_text = pages.with_name("text.jsonl")
    as_text.write_text("\n".join(json.dumps({"text": page}) for page in PAGES))
    raw = perplexity(str(as_text), model, **options)
    assert raw["bytes"] == ours["bytes"]
    assert raw["negative_log_likelihood"] != ours["negative_log_likelihood"]


def test_pages_are_detokenised_and_texts_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"page": "w1 , w2 's"}, {"text": "w1 , w2 's"}, {"text": "a\u2028b , c"}]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    found = load_documents(str(path))
    assert [each.text for each in found] == ["w1, w2's", "w1 , w2 's", "a\u2028b , c"]
    assert [each.raw for each in found] == ["w1 , w2 's", "w1 , w2 's", "a\u2028b , c"]


@pytest.mark.parametrize(
    ("name", "column", "split"), [("wikitext2", "page", "test"), ("c4", "text", "validation")]
)
def test_documents_of_the_hub_are_those_of_lm_evals_task(
    name: str, column: str, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = HUB[HubPart.DOCUMENTS][name]
    assert (place.column, place.split) == (column, split)
    (tmp_path / "a.json").write_text("\n".join(json.dumps({column: page}) for page in PAGES))
    files = {split: str(tmp_path / "a.json")}
    local = replace(place, path="json", config=None, data_files=files)
    monkeypatch.setitem(HUB[HubPart.DOCUMENTS], name, local)
    found = load_documents(name)
    assert [each.raw for each in found] == PAGES
    assert "w4, w5-w6 w7's w8. w9 (w10) w11 3,000 w12.5 w13\n" in found[0].text


def test_the_place_of_wikitext_is_that_of_lm_evals_task() -> None:
    theirs = (Path(lm_eval.tasks.__file__).parent / "wikitext/wikitext.yaml").read_text()
    place = HUB[HubPart.DOCUMENTS]["wikitext2"]
    for line in (f"dataset_path: {place.path}", f"dataset_name: {place.config}"):
        assert line in theirs.splitlines()


def test_another_raw_text_is_another_run(model: Path, tmp_path: Path) -> None:
    """Words are counted in it, even where the model reads the same."""
    for number, row in enumerate(({"page": "w1 , w2"}, {"text": "w1, w2"})):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(row))
        perplexity(str(tmp_path / f"{number}.jsonl"), model, out=tmp_path / f"run{number}")
    runs = [json.loads((tmp_path / f"run{each}/run.json").read_text()) for each in (0, 1)]
    one, two = (run["samples"] for run in runs)
    assert one["tokens_sha256"] == two["tokens_sha256"]
    assert one["text_sha256"] != two["text_sha256"]
