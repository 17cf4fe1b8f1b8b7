"""run_eval_ppl from recipe to record, on a tiny model."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from plena_cosim import golden
from plena_cosim.evaluate import evaluate_perplexity, load_model, run_eval_ppl
from plena_cosim.evaluate.record import describe_run, write_json
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.sources import calibration_set, tokenize
from plena_cosim.sources.token_file import read_token_file

RECIPE = """
by = "regex_name"
["model\\\\.layers\\\\.\\\\d+\\\\..*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def test_the_record_says_what_was_run(tiny_model, words, recipe, tmp_path) -> None:
    console = quiet()
    record = run_eval_ppl(
        model=str(tiny_model),
        text=str(words),
        quant_config=recipe,
        numerics="exact",
        seqlen=32,
        limit=90,
        seed=7,
        json_path=tmp_path / "out" / "record.json",
        console=console,
    )
    written = json.loads((tmp_path / "out" / "record.json").read_text())
    assert written == record
    assert written["result"]["tokens"] == 90
    assert written["result"]["windows"] == 3
    assert written["numerics"] == "exact"
    assert written["run"]["seed"] == 7
    assert written["run"]["config_sha256"] == hashlib.sha256(recipe.read_bytes()).hexdigest()
    assert {"commit", "command", "versions", "threads"} <= set(written["run"])
    assert written["run"]["versions"]["torch"]
    assert len(written["modules"]) == 14
    assert written["modules"]["model.layers.0.mlp.up_proj"]["weight"] == "mxint4"
    shown = console.file.getvalue()
    assert "token perplexity" in shown
    assert "word perplexity" in shown
    assert "14" in shown


def test_the_numbers_are_those_of_the_parts(tiny_model, words, recipe) -> None:
    for numerics in ("fake", "exact"):
        record = run_eval_ppl(
            model=str(tiny_model), text=str(words), quant_config=recipe, numerics=numerics,
            seqlen=32, console=quiet(),
        )  # fmt: skip
        model, tokenizer = load_model(str(tiny_model))
        from plena_cosim.passes import load_quant_config

        quantize_module_transform_pass(model, load_quant_config(recipe), numerics=numerics)
        tokens = tokenize(tokenizer, words.read_text())
        expected = evaluate_perplexity(model, tokens, seqlen=32)
        assert record["result"]["token_perplexity"] == expected.token_perplexity
        # One word a token, every token but the first of a window scored.
        assert record["result"]["words"] == expected.scored_tokens
        assert record["result"]["word_perplexity"] == pytest.approx(expected.token_perplexity)


def test_without_a_recipe_nothing_is_replaced(tiny_model, words) -> None:
    record = run_eval_ppl(model=str(tiny_model), text=str(words), seqlen=32, console=quiet())
    assert record["modules"] == {}
    assert record["numerics"] is None
    assert record["run"]["config_sha256"] is None


def test_the_machine_is_read_from_its_file(tiny_model, words, recipe, tmp_path) -> None:
    machine = tmp_path / "machine.toml"
    machine.write_text('[formats]\naccumulator = "e4m3"\n')
    options = {"model": str(tiny_model), "text": str(words), "quant_config": recipe, "seqlen": 32}
    plain = run_eval_ppl(**options, numerics="exact", console=quiet())
    coarse = run_eval_ppl(**options, numerics="exact", hardware=machine, console=quiet())
    assert plain["result"]["token_perplexity"] != coarse["result"]["token_perplexity"]


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_kept_codes_give_the_same_figures(tiny_model, words, recipe, numerics: str) -> None:
    given = {"model": str(tiny_model), "text": str(words), "seqlen": 32, "numerics": numerics}
    plain, packed = (
        run_eval_ppl(**given, quant_config=recipe, packed=packed, console=quiet())
        for packed in (False, True)
    )
    assert packed["result"]["token_perplexity"] == plain["result"]["token_perplexity"]
    with pytest.raises(golden.FormatError, match=r"--keep-packed: .* has no quantised weights"):
        run_eval_ppl(**given, packed=True, console=quiet())


def test_a_bad_recipe_is_refused_before_the_model_is_touched(words, tmp_path) -> None:
    with pytest.raises(golden.FormatError, match="does not exist"):
        run_eval_ppl(
            model="nowhere/at-all", text=str(words), quant_config=tmp_path / "no.toml",
            console=quiet(),
        )  # fmt: skip


def test_infinity_is_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"a": [float("inf"), {"b": 1.5}]})
    assert json.loads(path.read_text()) == {"a": ["inf", {"b": 1.5}]}
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}


def test_a_record_stays_until_the_next_one_is_whole(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"a": 1})

    def broken_off(self: Path, text: str, **_: str) -> None:
        self.write_bytes(text[:3].encode())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", broken_off)
        with pytest.raises(KeyboardInterrupt):
            write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}


def test_the_run_is_described() -> None:
    run = describe_run(seed=3, config_sha256="abc")
    assert run["seed"] == 3
    assert run["config_sha256"] == "abc"
    assert set(run["versions"]) >= {"python", "torch", "transformers", "numpy", "plena-cosim"}


def test_a_collector_alone_keeps_what_the_model_is_given(tiny_model, words, tmp_path) -> None:
    """Tokens that a later calibration reads; the figures are those of the model as it is."""
    recipe, out = tmp_path / "collect.toml", tmp_path / "samples.pt"
    table = f'[token_collector]\ntarget_nsamples = {{}}\nseqlen = 20\nsave_path = "{out}"\n'
    options = {"model": str(tiny_model), "text": str(words), "seqlen": 32, "limit": 90}
    recipe.write_text(table.format(9))  # more than there is: saved at the end
    console = quiet()
    record = run_eval_ppl(**options, quant_config=recipe, console=console)
    plain = run_eval_ppl(**options, console=quiet())
    assert record["result"]["token_perplexity"] == plain["result"]["token_perplexity"]
    assert record["modules"] == {}
    assert "token collector: 4 samples" in console.file.getvalue()
    _, tokenizer = load_model(str(tiny_model))
    tokens = tokenize(tokenizer, words.read_text(), limit=90)
    samples, _ = read_token_file(str(out))
    assert torch.equal(samples, tokens[:80].reshape(4, 20))
    collected = calibration_set(f"file:{out}", tokenizer, nsamples=4, seqlen=20, seed=0)
    assert torch.equal(collected.tokens, samples)


def test_a_full_collector_ends_the_evaluation(tiny_model, words, tmp_path) -> None:
    recipe, out = tmp_path / "collect.toml", tmp_path / "samples.pt"
    recipe.write_text(
        f'[token_collector]\ntarget_nsamples = 2\nseqlen = 16\nsave_path = "{out}"\n'
        "raise_on_full = true\n"
    )
    console = quiet()
    record = run_eval_ppl(
        model=str(tiny_model), text=str(words), quant_config=recipe, seqlen=32, console=console,
        json_path=tmp_path / "record.json",
    )  # fmt: skip
    assert record == {"collected": 2, "save_path": str(out)}
    assert json.loads((tmp_path / "record.json").read_text()) == record
    assert "2 samples of 16 tokens are in" in " ".join(console.file.getvalue().split())
    with pytest.raises(golden.FormatError, match="exists; give overwrite = true"):
        run_eval_ppl(model=str(tiny_model), text=str(words), quant_config=recipe, console=quiet())
