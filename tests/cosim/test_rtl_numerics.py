"""Evaluations in blocks have the figures of exact torch, to the last digit."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks import TaskManager
from rich.console import Console
from tests.cosim.test_faults import FAULTS
from tests.task_folder import write_task
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.cosim.errors import CosimError
from plena_cosim.cosim.rtl_numerics import RtlNumerics
from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.harness.command import run_eval_lm
from plena_cosim.evaluate.harness.model import PlenaLM
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.sim.verilate.model import SHORT

pytestmark = pytest.mark.usefixtures("_no_hub")
Make = Callable[..., RtlNumerics]


@pytest.fixture
def in_rtl(tmp_path: Path) -> Make:
    """Makes numerics with blocks built the quick way, and what is known in the test's folder."""
    of = RtlNumerics.of

    def make(ops: str | None = None, **given: Any) -> RtlNumerics:
        plain = {key: given.pop(key) for key in ("jobs", "fresh", "folder") if key in given}
        made = of(ops, **{"jobs": 2, "folder": tmp_path / "differs", **plain})
        return replace(made, profile=SHORT, cache=tmp_path / "known", **given)

    return make


@pytest.fixture
def ppl(job: Callable[..., Any], tiny_model: Path) -> Callable[..., dict[str, Any]]:
    """Measures the tiny model on two windows; in RTL where that is given."""
    given = job()

    def measure(numerics: str, **more: Any) -> dict[str, Any]:
        options = {
            "model": str(tiny_model),
            "text": given.text,
            "quant_config": given.quant_config,
            "hardware": given.machine,
            "seqlen": 7,
            "limit": 14,
            "console": Console(width=80, file=io.StringIO()),
        }
        return run_eval_ppl(numerics=numerics, **{**options, **more})

    return measure


def figures(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record["result"].items() if key != "seconds"}


def test_perplexity_is_that_of_exact_torch_also_of_a_run_that_goes_on(
    ppl: Callable[..., dict[str, Any]], in_rtl: Make, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    console = Console(width=80, file=io.StringIO())
    record = ppl("rtl", rtl=in_rtl(fresh=True), out=out, console=console)
    assert figures(record) == figures(ppl("exact"))
    assert record["numerics"] == "rtl"
    found = record["rtl"]
    assert found["ops"] == ["matmul"]
    assert (found["mismatches"], found["known"]) == (0, 0)
    # Two windows of 7 tokens: q, k, v, o, gate, up and down of two layers, and the head.
    linear = 2 * 7 * (2 * (32 + 16 + 16 + 32 + 48 + 48 + 32) + 61)
    scores, mixed = 2 * 2 * 4 * 7 * 7, 2 * 2 * 4 * 7 * 8
    rows = found["operations"]
    assert rows["matmul"]["codes"] == linear
    assert rows["attention: matmul"]["codes"] == scores + mixed
    assert found["codes"] == sum(row["codes"] for row in rows.values())
    assert found["cycles"] == sum(row["cycles"] for row in rows.values()) > found["codes"]
    assert "attention: softmax" in found["in_torch"]
    assert f"{found['codes']:,}" in console.file.getvalue()  # type: ignore[attr-defined]
    page = (out / "report.html").read_text()
    assert "codes compared" in page
    assert f"{found['cycles']:,}" in page

    samples = (out / "samples.jsonl").read_text().splitlines(keepends=True)
    (out / "samples.jsonl").write_text(samples[0])
    (out / "results.json").unlink()
    state = (out / "run.json").read_text()
    (out / "run.json").write_text(state.replace('"finished"', '"running"'))
    again = ppl("rtl", rtl=in_rtl(fresh=True), out=out)
    assert figures(again) == figures(record)
    assert again["rtl"] == found


def test_documents_in_rolling_windows(
    ppl: Callable[..., dict[str, Any]], in_rtl: Make, ending_model: Path
) -> None:
    given = {"model": str(ending_model), "protocol": "lm-eval", "seqlen": 60, "limit": None}
    record = ppl("rtl", rtl=in_rtl("matmul+softmax"), **given)
    assert figures(record) == figures(ppl("exact", **given))
    assert record["rtl"]["operations"]["attention: softmax"]["codes"]


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of two tasks, one that scores and one that writes, of two documents each."""
    monkeypatch.setattr("lm_eval.api.metrics.bootstrap_stderr", lambda f, xs, iters: 0.0)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))
    folder = tmp_path / "tasks"
    folder.mkdir()
    asked = [{"q": "w3 w8 w21", "choices": [" w5", " w7 w9"], "a": "w1"}] * 2
    asked[1] = {**asked[1], "q": "w2 w44 w3 w9"}
    options: dict[str, Any] = {"test_split": "test"}
    write_task(
        folder,
        "choices",
        {"test": asked},
        output_type="multiple_choice",
        doc_to_choice="{{choices}}",
        doc_to_target=0,
        **options,
    )
    write_task(
        folder,
        "written",
        {"test": asked},
        generation_kwargs={"max_gen_toks": 2, "do_sample": False, "until": ["w59"]},
        **options,
    )
    return ["--tasks", "choices,written", "--include_path", str(folder), "--batch_size", "2"]


def test_lm_eval_has_the_answers_of_exact_torch(
    job: Callable[..., Any], in_rtl: Make, ending_model: Path, tasks: list[str], tmp_path: Path
) -> None:
    given = job()
    model = f"pretrained={ending_model},recipe={given.quant_config},machine={given.machine}"
    said = {}
    for numerics in ("exact", "rtl,ops=matmul+rope,jobs=1"):
        out = tmp_path / numerics.partition(",")[0]
        console = Console(width=80, file=io.StringIO())
        run_eval_lm(
            ["--model_args", f"{model},numerics={numerics}", *tasks, "--output_path", str(out)],
            console=console,
            rtl=in_rtl,
        )
        said[out.name] = [
            json.loads(line)["answers"] for line in (out / "answers.jsonl").read_text().splitlines()
        ]
    assert said["rtl"] == said["exact"]
    assert len(said["rtl"]) == 5
    record = json.loads((out / "results.json").read_text())
    assert record["lm_eval"]["config"]["plena"]["numerics"] == "rtl"
    found = record["rtl"]
    assert found["ops"] == ["matmul", "rope"]
    assert found["mismatches"] == 0
    assert {"matmul", "attention: matmul", "rope: mul"} <= set(found["operations"])
    assert f"codes compared: {found['codes']:,}" in console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{found['codes']:,}" in (out / "report.html").read_text()
    assert PlenaLM.default_rtl is None
    with pytest.raises(FormatError, match=r"on the CPU; got device 'cuda'"):
        run_eval_lm(
            ["--model_args", f"{model},numerics=rtl", *tasks, "--device", "cuda"], rtl=in_rtl
        )


def test_a_fault_in_a_block_ends_a_run_with_its_replay(
    job: Callable[..., Any],
    in_rtl: Make,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, located = job(), FAULTS[0]
    monkeypatch.setattr(
        RtlNumerics,
        "of",
        partial(in_rtl, rtl_dir=located.fault.write(tmp_path)),
    )
    out = tmp_path / "run"
    ended = CliRunner().invoke(
        app,
        [
            *("eval", "ppl", "--model", str(tiny_model), "--text", given.text, "--limit", "7"),
            *("--quant-config", str(given.quant_config), "--hardware", str(given.machine)),
            *("--numerics", "rtl", "--out", str(out), "--threads", "1"),
        ],
    )
    assert ended.exit_code == 1, ended.output
    assert "NOT equal: perplexity: model.layers.0" in ended.output
    assert f"replay: plena cosim replay {out}" in ended.output
    assert json.loads((out / "difference.json").read_text())["block"] == located.block
    assert not (out / "results.json").exists()


def test_what_does_not_go_together_is_one_clear_error(
    ppl: Callable[..., dict[str, Any]], in_rtl: Make, job: Callable[..., Any], tiny_model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(FormatError, match=r"numerics 'rtl' need what runs blocks: plena eval ppl"):
        ppl("rtl")
    with pytest.raises(FormatError, match=r"goes with numerics 'rtl', got 'exact'"):
        ppl("exact", rtl=in_rtl())
    with pytest.raises(FormatError, match=r"on the CPU; got device 'cuda'; leave it away"):
        ppl("rtl", rtl=in_rtl(), device="cuda")
    with pytest.raises(FormatError, match=r"run what a recipe quantises, .* give a recipe"):
        ppl("rtl", rtl=in_rtl(), quant_config=None, hardware=None)
    with pytest.raises(FormatError, match=r"ops silu chooses no operation of this model; exact"):
        ppl("rtl", rtl=in_rtl("silu"), quant_config=_linear_alone(tmp_path))
    with pytest.raises(CosimError, match=r"unknown operation 'matmull'; known: matmul.*mean"):
        in_rtl("matmull")
    with pytest.raises(CosimError, match=r"jobs: need a number of threads from 1, got 'many'"):
        in_rtl(jobs="many")
    with pytest.raises(FormatError, match=r"ops, jobs and fresh go with numerics=rtl"):
        PlenaLM(str(tiny_model), numerics="exact", ops="matmul")
    given = job()
    network = AutoModelForCausalLM.from_pretrained(tiny_model)
    recipe = load_quant_config(given.quant_config)
    with pytest.raises(FormatError, match=r'no way to quantise; quantise with numerics="exact"'):
        quantize_module_transform_pass(network, recipe, numerics="rtl")
    with pytest.raises(CosimError, match=r"quantise the model with numerics=\"exact\""):
        in_rtl().require_possible(network)
    saved = _saved(tiny_model, job(), "fake", tmp_path)
    with pytest.raises(FormatError, match=r"was saved with fake numerics, and blocks have exact"):
        ppl("rtl", rtl=in_rtl(), model=str(saved), quant_config=None)
    shown = CliRunner().invoke(app, ["eval", "ppl", "--ops", "matmul"]).output
    assert "go with --numerics rtl" in shown


def test_a_model_saved_with_exact_numerics_needs_no_recipe(
    ppl: Callable[..., dict[str, Any]], in_rtl: Make, job: Callable[..., Any], tiny_model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    saved = _saved(tiny_model, job(), "exact", tmp_path)
    given = {"model": str(saved), "quant_config": None, "hardware": None, "limit": 7}
    record = ppl("rtl", rtl=in_rtl(), **given)
    assert figures(record) == figures(ppl("exact", **given))
    assert (record["numerics"], record["rtl"]["mismatches"]) == ("rtl", 0)


def _saved(model: Path, given: Any, numerics: str, folder: Path) -> Path:
    network = AutoModelForCausalLM.from_pretrained(model)
    recipe, hw = load_quant_config(given.quant_config), HardwareConfig.load(given.machine)
    quantize_module_transform_pass(network, recipe, numerics=numerics, hw=hw)
    network.save_pretrained(folder / "saved")
    AutoTokenizer.from_pretrained(model).save_pretrained(folder / "saved")
    return folder / "saved"


def _linear_alone(folder: Path) -> Path:
    path = folder / "linear.toml"
    path.write_text(
        '["model\\\\.layers\\\\.0\\\\.mlp\\\\.down_proj"]\nname = "mxint"\nweight_block_size = 8\n'
        "weight_width = 4\ndata_in_block_size = 8\ndata_in_width = 4\n"
    )
    return path
