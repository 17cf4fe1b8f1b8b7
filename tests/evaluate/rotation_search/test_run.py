"""plena search rotation: rounds are shown, drawn, written, and a search goes on where it was."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.evaluate import evaluate_perplexity, load_model
from plena_cosim.evaluate.rotation_search import run as search_rotation
from plena_cosim.evaluate.rotation_search.run import rounds_table, run_search_rotation
from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.passes.rotation_search import SearchResult, SearchRound
from plena_cosim.sources import calibration_set, load_tokenizer

RECIPE = """
[".*\\\\.(o|down)_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4

[".*self_attn"]
name = "mxint"
[".*self_attn".kv_cache]
data_in_block_size = 8
data_in_width = 3

[rotation_search]
calib_nsamples = 3
calib_seqlen = 16
"""


@pytest.fixture
def given(tmp_path: Path, tiny_model: Path, words: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Arguments of a search in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.toml").write_text(RECIPE + f'calib_data = "file:{words}"\n')
    return {"quant_config": tmp_path / "r.toml", "model": str(tiny_model)}


def console() -> Console:
    return Console(file=io.StringIO(), width=160)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def test_the_command_writes_all_that_it_found(given: Any, tmp_path: Path) -> None:
    out, record = tmp_path / "found" / "rotated.toml", tmp_path / "x.json"
    arguments = ["search", "rotation", "--quant-config", str(given["quant_config"])]
    arguments += ["--model", given["model"], "--out", str(out), "--json", str(record)]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    written = json.loads(record.read_text())
    picture = tmp_path / "results" / "search" / "rotation.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "results" / "search" / "r.decisions.json").is_file()
    found = load_quant_config(out)
    assert found.rotation_search is None
    assert list(found.rotation.online) == written["winners"] != []
    assert found.tables == written["recipe"]
    original = tomllib.loads(given["quant_config"].read_text())
    del original["rotation_search"]
    assert {**found.tables, "rotation": None} == {**original, "rotation": None}
    assert written["calibration"]["nsamples"] == 3
    assert written["rounds"][0]["before"] == written["baseline"]
    assert out.read_text().startswith("# ")


def test_the_table_says_what_was_measured(given: Any) -> None:
    shown = console()
    record = run_search_rotation(**given, console=shown)
    lines = text(shown).splitlines()
    for number, each in enumerate(record["rounds"], start=1):
        for name, value in each["tried"].items():
            (line,) = (line for line in lines if f"│ {number:>5} │ {name} " in line)
            assert f"{value:.4f}" in line
            assert f"{value - each['before']:+.4f}" in line
            assert ("yes" in line) == (name == each["winner"])
    said = text(shown)
    assert "rotations: " + ", ".join(record["winners"]) in said
    assert "left out: q_proj, k_proj, v_proj, gate_proj, up_proj, av_matmul: the recipe" in said


def test_ctrl_c_leaves_what_was_measured(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_search_rotation(**given, console=console())
    path = Path("results/search/r.decisions.json")
    path.unlink()
    third = list(whole["rounds"][0]["tried"])[2]

    @contextmanager
    def interrupted(console: Console) -> Iterator[Progress]:
        with progress_bars(console) as show:

            def shown(what: str, done: int, total: int) -> None:
                show(what, done, total)
                if what.startswith("round 1, ") and what.endswith(f": {third}"):
                    raise KeyboardInterrupt

            yield shown

    with monkeypatch.context() as patch:
        patch.setattr(search_rotation, "progress_bars", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_search_rotation(**given, console=console())
    again, last = console(), console()
    record = run_search_rotation(**given, console=again)
    assert "going on: results/search/r.decisions.json holds 2 measured candidates" in text(again)
    assert record["rounds"] == whole["rounds"]
    run_search_rotation(**given, console=last)
    assert "finished before: results/search/r.decisions.json" in text(last)


def test_single_layers_are_shown_by_their_best() -> None:
    rounds = tuple(
        SearchRound(
            place=f"layers.{n}", before=9.0, tried={f"{n}.a": 8.5, f"{n}.b": 8.0}, winner=f"{n}.b"
        )
        for n in range(2)
    )
    assert rounds_table(_found(rounds), title="t").row_count == 2
    assert rounds_table(_found(rounds[:1]), title="t").row_count == 2


def _found(rounds: tuple[SearchRound, ...]) -> SearchResult:
    return SearchResult(
        recipe=None,  # type: ignore[arg-type]
        winners=(),
        baseline=9.0,
        perplexity=8.0,
        rounds=rounds,
        left_out={},
        seconds=0.0,
        begun="",
    )


def test_a_recipe_without_the_table_is_refused(given: Any) -> None:
    path = given["quant_config"]
    path.write_text(path.read_text().split("[rotation_search]")[0])
    with pytest.raises(FormatError, match=r"has no \[rotation_search\] table"):
        run_search_rotation(**given, console=console())


def test_static_rotations_are_folded_in_first(given: Any) -> None:
    path, out = given["quant_config"], Path("out.toml")
    path.write_text(path.read_text() + "[rotation]\nr1 = true\nr2 = true\n")
    record = run_search_rotation(**given, out=out, console=console())
    recipe = load_quant_config(path)
    network, _ = load_model(given["model"])
    plain = replace(recipe, rotation_search=None)
    network, _ = quantize_module_transform_pass(network, plain)
    tokenizer = load_tokenizer(given["model"])
    text = calibration_set(
        recipe.rotation_search.calib_data, tokenizer, nsamples=3, seqlen=16, seed=0
    )
    measured = evaluate_perplexity(network, text.tokens, seqlen=16).token_perplexity
    assert record["baseline"] == measured
    found = load_quant_config(out).rotation
    assert (found.r1, found.r2, found.online) == (True, True, record["winners"])


def test_a_device_that_is_not_there_can_be_replaced(given: Any, monkeypatch) -> None:
    recipe = given["quant_config"]
    recipe.write_text(recipe.read_text() + 'device = "cuda:99"\nmatmul_types = ["o_proj"]\n')
    with monkeypatch.context() as patch:
        patch.setattr(search_rotation, "load_model", None)  # it is said before a model is loaded
        with pytest.raises(FormatError, match=r"\[rotation_search\] device 'cuda:99' cannot be us"):
            run_search_rotation(**given, console=console())
    assert run_search_rotation(**given, device="cpu", console=console())["rounds"]
