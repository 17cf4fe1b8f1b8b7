"""Quantised models in lm-eval itself: one number, whoever is asked."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import lm_eval
import pytest
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from rich.console import Console
from tests.task_folder import write_task
from transformers import AutoModelForCausalLM, AutoTokenizer

from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.harness.command import run_eval_lm
from plena_cosim.evaluate.harness.model import PlenaLM
from plena_cosim.golden import FormatError
from plena_cosim.ground.errors import PlenaError
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.sources import TextSourceError

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


def text(seed: int, count: int) -> str:
    return " ".join(f"w{(i * i + seed * i + seed) % 60}" for i in range(count))


PAGES = [{"page": text(seed, count)} for seed, count in ((1, 70), (2, 9), (3, 31), (4, 32))]
CHOICES = [
    {"q": text(seed, 5 + 3 * seed), "choices": [" " + text(seed + k, k) for k in (1, 2, 4)]}
    for seed in range(6)
]


@pytest.fixture(autouse=True)
def _no_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No standard errors: lm-eval draws 100,000 samples for each."""
    monkeypatch.setattr("lm_eval.api.metrics.bootstrap_stderr", lambda f, xs, iters: 0.0)


@pytest.fixture
def model(ending_model: Path) -> Path:
    return ending_model


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    metrics = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    write_task(
        folder,
        "pages",
        {"test": PAGES},
        output_type="loglikelihood_rolling",
        test_split="test",
        doc_to_text="",
        doc_to_target="{{page}}",
        metric_list=[{"metric": metric} for metric in metrics],
    )
    write_task(
        folder,
        "choices",
        {"test": CHOICES},
        output_type="multiple_choice",
        test_split="test",
        doc_to_choice="{{choices}}",
        doc_to_target=0,
    )
    write_task(
        folder,
        "written",
        {"test": [{"q": each["q"], "a": "w1"} for each in CHOICES]},
        test_split="test",
        generation_kwargs={"max_gen_toks": 5, "do_sample": False, "until": ["w59"]},
    )
    return folder


def evaluate(tasks: Path, name: str, lm: Any, **options: Any) -> dict[str, Any]:
    found = lm_eval.simple_evaluate(
        lm,
        tasks=[name],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        **options,
    )
    assert found is not None
    return found


def numbers(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in found["results"][name].items() if "," in key}


def answers(found: dict[str, Any], name: str) -> list[Any]:
    return [sample["resps"] for sample in found["samples"][name]]


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_whoever_is_asked(
    numerics: str, model: Path, recipe: Path, tasks: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    network = AutoModelForCausalLM.from_pretrained(model)
    quantize_module_transform_pass(network, load_quant_config(recipe), numerics=numerics)
    network.save_pretrained(saved)
    AutoTokenizer.from_pretrained(model).save_pretrained(saved)
    arguments = f"pretrained={saved},dtype=float32,max_length=32"
    theirs = evaluate(tasks, "pages", "hf", model_args=arguments, batch_size=1, device="cpu")
    want = numbers(theirs, "pages")

    out = tmp_path / "out"
    given = f"pretrained={model},recipe={recipe},numerics={numerics},max_length=32"
    run_eval_lm(
        [
            f"--model_args={given}",
            *("--tasks", "pages", "--include_path", str(tasks), "--device", "cpu"),
            *("--batch_size", "1", "--output_path", str(out)),
        ],
        console=Console(file=io.StringIO()),
    )
    [written] = out.rglob("results_*.json")
    ours = json.loads(written.read_text())
    assert numbers(ours, "pages") == want

    pages = tmp_path / "pages.jsonl"
    pages.write_text("\n".join(map(json.dumps, PAGES)))
    record = run_eval_ppl(
        model=str(model),
        text=str(pages),
        quant_config=recipe,
        numerics=numerics,
        protocol="lm-eval",
        seqlen=32,
        console=Console(file=io.StringIO()),
    )
    result = record["result"]
    for name in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        assert result[name] == want[f"{name},none"]
    assert result["words"] == sum(len(page["page"].split()) for page in PAGES)
    assert 1 < result["word_perplexity"] < 1e4


def test_how_it_was_computed_stands_in_the_results(model: Path, recipe: Path, tasks: Path) -> None:
    lm = PlenaLM(str(model), recipe=recipe, numerics="exact", device="cpu")
    config = evaluate(tasks, "pages", lm)["config"]["plena"]
    assert config["recipe_text"] == RECIPE
    assert config["numerics"] == "exact"
    assert config["formats"]["profile"] == "ocp"
    assert config["machine"]["vlen"]
    assert config["modules_replaced"] == 17
    assert config["left_alone"]["groups"][0]["name"] == "model.embed_tokens"
    assert config["run"]["versions"]["torch"]
    assert json.loads(json.dumps(config)) == config


def test_a_saved_model_says_so_too(model: Path, recipe: Path, tmp_path: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(model)
    quantize_module_transform_pass(network, load_quant_config(recipe))
    network.save_pretrained(tmp_path / "saved")
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "saved")
    config = PlenaLM(str(tmp_path / "saved"), device="cpu").get_model_info()["plena"]
    assert config["numerics"] == "fake"
    assert config["recipe_tables"] == load_quant_config(recipe).tables
    with pytest.raises(TextSourceError, match="is quantised already"):
        PlenaLM(str(tmp_path / "saved"), recipe=recipe, device="cpu")


@pytest.mark.parametrize("name", ["pages", "choices", "written"])
def test_exact_numerics_give_the_same_in_any_batch(
    name: str, model: Path, recipe: Path, tasks: Path
) -> None:
    found = {}
    for size in (1, 4, "auto"):
        lm = PlenaLM(
            str(model),
            recipe=recipe,
            numerics="exact",
            device="cpu",
            max_length=32,
            batch_size=size,
            max_batch_size=4,
        )
        result = evaluate(tasks, name, lm, log_samples=True)
        found[size] = numbers(result, name), answers(result, name)
    assert found[4] == found[1]
    assert found["auto"] == found[1]


@pytest.mark.parametrize("name", ["choices", "written"])
def test_chat_templates_and_few_shot_are_lm_evals(name: str, model: Path, tasks: Path) -> None:
    """Nothing is quantised here: what lm-eval's own type measures."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = (
        "{% for each in messages %}w1 {{ each.content }} w2 {% endfor %}"
        "{% if add_generation_prompt %}w3 {% endif %}"
    )
    options = {
        "num_fewshot": 2,
        "apply_chat_template": True,
        "fewshot_as_multiturn": True,
        "system_instruction": "w9",
        "log_samples": True,
    }
    shared = {"tokenizer": tokenizer, "max_length": 64, "batch_size": 1}
    network = AutoModelForCausalLM.from_pretrained(model).eval()
    theirs = evaluate(tasks, name, HFLM(network, **shared), **options)
    ours = evaluate(tasks, name, PlenaLM(network, **shared), **options)
    assert numbers(ours, name) == numbers(theirs, name)
    assert answers(ours, name) == answers(theirs, name)
    prompts = [sample["arguments"] for sample in ours["samples"][name]]
    assert all(str(prompt).count("w1 ") >= 3 for prompt in prompts)


def test_prompts_of_other_lengths_do_not_change_what_is_written(
    model: Path, recipe: Path, tasks: Path
) -> None:
    """Padding on the left would stand in the blocks of V."""
    lm = PlenaLM(str(model), recipe=recipe, numerics="exact", device="cpu", batch_size=4)
    seen = []
    real = lm._model_generate
    lm._model_generate = lambda context, **given: (  # type: ignore[method-assign]
        seen.append(given["attention_mask"]) or real(context, **given)
    )
    evaluate(tasks, "written", lm)
    assert sum(map(len, seen)) == len(CHOICES)
    assert all(mask.all() for mask in seen)


def test_a_model_in_memory_is_quantised_in_place(model: Path, recipe: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(model).eval()
    tokens = torch.arange(1, 9)[None]
    with torch.no_grad():
        before = network(tokens).logits
        PlenaLM(network, recipe=recipe, tokenizer=AutoTokenizer.from_pretrained(model))
        assert not torch.equal(network(tokens).logits, before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"numerics": "hardware"}, "unknown numerics 'hardware'"),
        ({"machine": "m.toml"}, "give recipe=FILE"),
        ({"recipe": "no/such.toml"}, "does not exist"),
        ({"pretrained": "no/such/folder"}, "there is no such folder"),
    ],
)
def test_mistakes_are_said_before_a_model_is_loaded(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PlenaError, match=message):
        PlenaLM(**{"pretrained": "nowhere", **given})


def test_other_model_types_are_lm_evals(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--model", "hf"], ["--model=hf"]):
        with pytest.raises(FormatError, match="use lm_eval"):
            run_eval_lm(arguments)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"page": "w1"}\n{"other": 1}\n', "line 2: need a JSON object"),
        ("a.jsonl", "w1 w2\n", "line 1: need a JSON object"),
        ("a.jsonl", "\n", "holds no document"),
        ("a.txt", " \n", "holds no document"),
    ],
)
def test_texts_without_documents(
    name: str, content: str, message: str, model: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TextSourceError, match=message):
        run_eval_ppl(
            model=str(model),
            text=str(tmp_path / name),
            protocol="lm-eval",
            console=Console(file=io.StringIO()),
        )


@pytest.mark.parametrize(
    "given", [{"protocol": "rolling"}, {"protocol": "windows", "batch_size": 2}]
)
def test_protocols(given: dict[str, Any], model: Path, words: Path) -> None:
    with pytest.raises(FormatError, match="lm-eval"):
        run_eval_ppl(model=str(model), text=str(words), **given)
