"""plena quantize saves a folder whole or not at all, and plena eval ppl reads it."""

from __future__ import annotations

import copy
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from plena_cosim.evaluate import TextSourceError, load_model, quantize, run_eval_ppl
from plena_cosim.evaluate.quantize import run_quantize, stored_as
from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass

from .recipes import LINEAR

RECIPE = 'by = "regex_name"' + LINEAR
QUIET = Console(quiet=True)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "w4a8.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_saved_model_has_the_same_perplexity(
    numerics, tiny_model: Path, words: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "w4a8"
    record = run_quantize(
        model=str(tiny_model), quant_config=recipe, out=out, numerics=numerics, console=QUIET
    )
    assert json.loads((out / "plena.json").read_text()) == record
    assert record["modules"]["model.layers.0.mlp.up_proj"]["weight"] == "mxint4"
    common = {"text": str(words), "seqlen": 16, "console": QUIET}
    direct = run_eval_ppl(model=str(tiny_model), quant_config=recipe, numerics=numerics, **common)
    again = run_eval_ppl(model=str(out), **common)
    assert again["result"]["token_perplexity"] == direct["result"]["token_perplexity"]
    assert (again["quant_config"], again["numerics"]) == (str(recipe), numerics)
    assert [path.name for path in out.parent.iterdir()] == ["w4a8"]


def test_what_stays_in_float_is_shown_and_comes_back(
    tiny_model: Path, words: Path, recipe: Path, tmp_path: Path
) -> None:
    out, shown = tmp_path / "w4a8", io.StringIO()
    console = Console(file=shown, width=120)
    made = run_quantize(model=str(tiny_model), quant_config=recipe, out=out, console=console)
    read = run_eval_ppl(model=str(out), text=str(words), seqlen=16, console=console)
    direct = run_eval_ppl(
        model=str(tiny_model), quant_config=recipe, text=str(words), seqlen=16, console=console
    )
    assert made["left_alone"]["matrices"] == 2
    assert made["left_alone"] == read["left_alone"] == direct["left_alone"]
    text = " ".join(shown.getvalue().split())
    assert text.count(f"left in float │ 2 matrices, {made['left_alone']['share']:.1%}") == 3
    assert text.count("no selector chooses it; its rows are looked up") == 3
    plain = run_eval_ppl(model=str(tiny_model), text=str(words), seqlen=16, console=QUIET)
    assert plain["left_alone"] is None


def test_the_dequantised_model_has_the_values(tiny_model, recipe, tmp_path) -> None:
    for name, plain in (("packed", False), ("plain", True)):
        run_quantize(
            model=str(tiny_model),
            quant_config=recipe,
            out=tmp_path / name,
            dequantized=plain,
            console=QUIET,
        )
    packed, plain = (load_model(str(tmp_path / name))[0] for name in ("packed", "plain"))
    assert getattr(plain, "plena_config", None) is None
    up = "model.layers.0.mlp.up_proj"
    assert type(plain.get_submodule(up)) is torch.nn.Linear
    assert torch.equal(plain.get_submodule(up).weight, packed.get_submodule(up).weight)


def test_a_folder_is_only_replaced_when_told_to(tiny_model, recipe, tmp_path) -> None:
    given = {"model": str(tiny_model), "quant_config": recipe, "console": QUIET}
    out = tmp_path / "out"
    run_quantize(**given, out=out)
    (out / "old").touch()
    with pytest.raises(TextSourceError, match="out exists; give another --out, or --overwrite"):
        run_quantize(**given, out=out)
    assert (out / "old").exists()
    run_quantize(**given, out=out, overwrite=True)
    assert not (out / "old").exists()
    assert load_model(str(out))[0].plena_config.numerics == "fake"
    with pytest.raises(TextSourceError, match="is not a folder"):
        run_quantize(**given, out=recipe, overwrite=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").touch()
    with pytest.raises(TextSourceError, match=r"holds no model \(no config.json\)"):
        run_quantize(**given, out=mine, overwrite=True)


def test_a_failure_leaves_everything_as_it_was(tiny_model, recipe, tmp_path, monkeypatch) -> None:
    given = {"model": str(tiny_model), "quant_config": recipe, "console": QUIET}
    out = tmp_path / "out"
    run_quantize(**given, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    names = {path.name for path in tmp_path.iterdir()}

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quantize, "write_json", fail)
    with pytest.raises(TextSourceError, match=r"cannot write .*out: No space left on device"):
        run_quantize(**given, out=out, overwrite=True)
    with pytest.raises(TextSourceError, match="cannot write"):
        run_quantize(**given, out=tmp_path / "fresh")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_quantised_model_is_not_quantised_again(tiny_model, recipe, words, tmp_path) -> None:
    out = tmp_path / "out"
    run_quantize(model=str(tiny_model), quant_config=recipe, out=out, console=QUIET)
    with pytest.raises(TextSourceError, match=r"is quantised already, by .*w4a8.toml; leave"):
        run_quantize(model=str(out), quant_config=recipe, out=tmp_path / "again", console=QUIET)
    with pytest.raises(TextSourceError, match="is quantised already"):
        run_eval_ppl(model=str(out), text=str(words), quant_config=recipe, console=QUIET)


def test_a_broken_folder_is_one_clear_error(tiny_model, recipe, tmp_path) -> None:
    out = tmp_path / "out"
    run_quantize(model=str(tiny_model), quant_config=recipe, out=out, console=QUIET)
    weights = out / "model.safetensors"
    whole = weights.read_bytes()
    for broken in (whole[:1000], whole[:-100], b"", b"garbage, and not a little of it"):
        weights.write_bytes(broken)
        with pytest.raises(TextSourceError, match=r"model.safetensors is damaged: .*again"):
            load_model(str(out))
    weights.write_bytes(whole)
    config = out / "config.json"
    config.write_text(config.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(TextSourceError, match="saved with version 9 of plena's packed weights"):
        load_model(str(out))


def test_broken_weights_of_others_are_one_clear_error(tiny_model, tmp_path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for broken in (whole[:1000], whole[:-100], b"", b"garbage, and not a little of it"):
        weights.write_bytes(broken)
        with pytest.raises(TextSourceError, match="not a whole safetensors file"):
            load_model(str(folder))


def test_a_missing_recipe_comes_before_the_model(tiny_model, tmp_path) -> None:
    with pytest.raises(FormatError, match=r"no.toml does not exist"):
        run_quantize(model="nowhere", quant_config=tmp_path / "no.toml", out=tmp_path / "out")


def test_a_model_that_cannot_be_replaced_stays(tiny_model, recipe, tmp_path, monkeypatch) -> None:
    out = tmp_path / "model"
    given = {"model": str(tiny_model), "quant_config": recipe, "out": out, "console": QUIET}
    run_quantize(**given)
    before = (out / "plena.json").read_bytes()
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TextSourceError, match="No space left"):
        run_quantize(**given, numerics="exact", overwrite=True)
    assert (out / "plena.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["model"]


def test_a_killed_run_is_swept_by_the_next(tiny_model, recipe, tmp_path) -> None:
    out = tmp_path / "saved" / "out"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from plena_cosim.evaluate import quantize\n"
        "def killed(path, record):\n"
        f"    os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        "quantize.write_json = killed\n"
        f"quantize.run_quantize(model={str(tiny_model)!r}, quant_config=Path({str(recipe)!r}),"
        f" out=Path({str(out)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = out.parent.iterdir()
    assert (left / "new" / "config.json").exists()
    run_quantize(
        model=str(tiny_model), quant_config=recipe, out=out.with_name("other"), console=QUIET
    )
    assert [path.name for path in out.parent.iterdir()] == ["other"]


def test_a_run_killed_between_two_renames_is_completed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(["true"]) as gone:
        pass
    scratch = tmp_path / f".out.{gone.pid}.abc.tmp"
    for name in ("old", "new"):
        (scratch / name).mkdir(parents=True)
        (scratch / name / "config.json").write_text(name)
    quantize.sweep(out)
    assert (out / "config.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_at_work_is_not_swept(tmp_path: Path) -> None:
    mine = tmp_path / f".out.{os.getpid()}.abc.tmp"
    mine.mkdir()
    quantize.sweep(tmp_path / "out")
    assert mine.exists()


def test_it_says_which_weights_are_saved_as_values() -> None:
    layers = {"first": nn.Linear(32, 32), "second": nn.Linear(32, 32)}
    model = nn.ModuleDict(layers)
    mx = {"name": "mxint", "weight_block_size": 32, "weight_width": 8}
    axes = {"name": "spec", "weight": {"element": "int8"}}
    for second, words in ((mx, "packed codes"), (axes, "packed codes, values of 1")):
        recipe = {"by": "name", "first": mx, "second": second}
        made, _ = quantize_module_transform_pass(copy.deepcopy(model), recipe)
        assert stored_as(made) == words
    made, _ = quantize_module_transform_pass(model, {"by": "type", "Linear": axes})
    assert stored_as(made) == "values, formats by axes have no codes"
