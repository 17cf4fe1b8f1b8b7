"""Checkpoints: what is valid is kept, what is not is made again, and the bits are the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.passes.families import build
from tests.passes.recipes import GPTQ, IN4, LINEAR, W4, token_ids
from torch import nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError
from plena_cosim.passes.calibration import Calibration, calibrate, group_calibrator
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe

LAYERS = 4


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return build("llama", num_hidden_layers=LAYERS)


def recipe(folder: Path | None, **changes: Any) -> Recipe:
    table = GPTQ | {"cali_batch_size": 2, "checkpoint_dir": None if folder is None else str(folder)}
    table = {key: value for key, value in (table | changes).items() if value is not None}
    selector = {"name": "mxint", "gptq": True, **W4, **IN4}
    return read_quant_config({"gptq": table, LINEAR: selector}, source="recipe.toml")


def tokens(seed: int = 7) -> torch.Tensor:
    return token_ids(4, 32, seed=seed)


def run(
    model: nn.Module, args: Recipe, given: torch.Tensor | None = None, **kw: Any
) -> Calibration:
    return calibrate(model, plans_of(model, args), args, tokens() if given is None else given, **kw)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note each group that is really calibrated."""
    found: list[str] = []
    solved = group_calibrator.GroupCalibrator.solved

    def note(self: Any, where: str) -> Any:
        found.append(where.rpartition(".")[2])
        return solved(self, where)

    with monkeypatch.context() as patch:
        patch.setattr(group_calibrator.GroupCalibrator, "solved", note)
        yield found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/layer_*.safetensors"))


def require_same(mine: Calibration, other: Calibration) -> None:
    assert mine.weights.keys() == other.weights.keys()
    for name, weight in mine.weights.items():
        assert torch.equal(weight.values, other.weights[name].values), name
        if isinstance(weight, MxTensor):
            assert torch.equal(weight.scales, other.weights[name].scales), name
        assert mine.records[name] == other.records[name]


@pytest.fixture(scope="module")
def whole(model: nn.Module) -> Calibration:
    """What one run without checkpoints gives."""
    return run(model, recipe(None))


@pytest.mark.parametrize("after", range(LAYERS))
def test_killed_at_any_layer(
    model: nn.Module,
    whole: Calibration,
    after: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(what: str, done: int, total: int) -> None:
        if done == after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(model, recipe(tmp_path), progress=kill)
    assert len(files(tmp_path)) == after + 1
    with counted(monkeypatch) as groups:
        again = run(model, recipe(tmp_path))
    assert set(groups) == {str(index) for index in range(after + 1, LAYERS)}
    assert again.resumed == after + 1
    require_same(again, whole)


@pytest.mark.parametrize("group", range(6))
def test_killed_inside_of_a_layer(
    model: nn.Module,
    whole: Calibration,
    group: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    solved = group_calibrator.GroupCalibrator.solved
    count = 0

    def kill(self: Any, where: str) -> Any:
        nonlocal count
        count += 1
        if count > group:
            raise KeyboardInterrupt
        return solved(self, where)

    with monkeypatch.context() as patch:
        patch.setattr(group_calibrator.GroupCalibrator, "solved", kill)
        with pytest.raises(KeyboardInterrupt):
            run(model, recipe(tmp_path))
    assert len(files(tmp_path)) == group // 4
    require_same(run(model, recipe(tmp_path)), whole)


def test_killed_while_writing(
    model: nn.Module, whole: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = Path.replace

    def kill(self: Path, target: Any) -> Any:
        if "layer_0001" in self.name:
            raise KeyboardInterrupt
        return replaced(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            run(model, recipe(tmp_path))
    assert [path.name for path in files(tmp_path)] == ["layer_0000.safetensors"]
    assert not list(tmp_path.glob("*/.*.tmp"))
    require_same(run(model, recipe(tmp_path)), whole)


def test_a_finished_run_computes_nothing(
    model: nn.Module, whole: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, recipe(tmp_path))
    monkeypatch.setattr(type(model), "forward", None)
    again = run(model, recipe(tmp_path))
    assert again.resumed == LAYERS
    require_same(again, whole)


@pytest.mark.parametrize("index", range(LAYERS))
@pytest.mark.parametrize("fault", ["missing", "truncated", "empty", "flipped", "foreign"])
def test_a_file_that_cannot_be_used(
    model: nn.Module,
    whole: Calibration,
    index: int,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(model, recipe(tmp_path))
    path = files(tmp_path)[index]
    data = path.read_bytes()
    if fault == "missing":
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(data[:-7])
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "flipped":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    else:
        other = files(tmp_path)[(index + 1) % LAYERS]
        path.write_bytes(other.read_bytes())
    with counted(monkeypatch) as groups:
        again = run(model, recipe(tmp_path))
    assert set(groups) == {str(index)}
    assert again.resumed == LAYERS - 1
    assert bool(again.notes) == (fault != "missing")
    assert all(f"layer {index} is calibrated again" in note for note in again.notes)
    require_same(again, whole)
    assert path.read_bytes() == data


SETTINGS: dict[str, dict[str, Any]] = {
    "gptq.damp_percent": {"damp_percent": 0.02},
    "gptq.desc_act": {"desc_act": True},
    "gptq.quantile_search": {"quantile_search": False},
    "gptq.quantiles": {"quantiles": [1.0, 0.9]},
    "gptq.scale_neighbours": {"scale_neighbours": 0},
    "gptq.clip_search_y": {"clip_search_y": True},
    "gptq.token_weights": {"token_weights": "uniform"},
    "gptq.algorithm": {"algorithm": "gptaq"},
    "gptq.descent_sweeps": {"descent_sweeps": 1},
    "gptq.seed": {"seed": 1},
    "gptq.cali_batch_size": {"cali_batch_size": 4},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_setting_starts_anew_and_spoils_nothing(
    model: nn.Module, name: str, tmp_path: Path
) -> None:
    first = run(model, recipe(tmp_path))
    changed = run(model, recipe(tmp_path, **SETTINGS[name]))
    assert changed.resumed == 0
    (note,) = changed.notes
    assert name in note
    assert len(files(tmp_path)) == 2 * LAYERS
    require_same(changed, run(model, recipe(None, **SETTINGS[name])))
    again = run(model, recipe(tmp_path))
    assert again.resumed == LAYERS
    require_same(again, first)


def test_other_tokens_weights_and_selectors_start_anew(model: nn.Module, tmp_path: Path) -> None:
    run(model, recipe(tmp_path))
    found = run(model, recipe(tmp_path), tokens(8))
    assert found.resumed == 0
    assert any("tokens" in note for note in found.notes)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_submodule("model.layers.3.mlp.up_proj").weight[0, 0] += 1e-3
    assert run(other, recipe(tmp_path)).resumed == 0
    args = recipe(tmp_path)
    wide = {**args.tables, LINEAR: {**args.tables[LINEAR], "data_in_width": 8}}
    assert run(model, read_quant_config(wide)).resumed == 0


@pytest.mark.parametrize("changes", [{"max_layers": 2}, {"model_name": "other"}, {"device": "cpu"}])
def test_what_does_not_matter_to_the_bits(
    model: nn.Module, changes: dict[str, Any], tmp_path: Path
) -> None:
    run(model, recipe(tmp_path))
    assert run(model, recipe(tmp_path, **changes)).resumed == changes.get("max_layers", LAYERS)


def test_the_manifest_says_what_decided(model: nn.Module, tmp_path: Path) -> None:
    run(model, recipe(tmp_path))
    (path,) = tmp_path.glob("*/manifest.json")
    manifest = json.loads(path.read_text())
    assert set(manifest) == {"recipe", "model", "weights", "tokens", "code", "torch"}
    assert manifest["recipe"]["gptq"]["damp_percent"] == 0.01


def test_a_folder_that_cannot_be_made(model: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match=r"checkpoint_dir .* cannot be written"):
        run(model, recipe(tmp_path / "file"))


def test_a_file_of_another_calibration(
    model: nn.Module, whole: Calibration, tmp_path: Path
) -> None:
    run(model, recipe(tmp_path / "mine"))
    run(model, recipe(tmp_path / "other", damp_percent=0.5))
    files(tmp_path / "mine")[1].write_bytes(files(tmp_path / "other")[1].read_bytes())
    again = run(model, recipe(tmp_path / "mine"))
    assert any("belongs to another run" in note for note in again.notes)
    require_same(again, whole)
