"""Trained rotations of a file take the place of Hadamard matrices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.fold import fold_rotations, read_rotations

from .tiny import error, logits, state, tiny


def rotation(n: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    found, _ = torch.linalg.qr(torch.randn(n, n, generator=draw, dtype=torch.float64))
    return found


def matrices(model) -> dict[str, Tensor]:
    config = model.config
    width = model.model.layers[0].self_attn.head_dim
    layers = range(config.num_hidden_layers)
    return {"R1": rotation(config.hidden_size, 0)} | {
        f"model.layers.{n}.self_attn.R2": rotation(width, n + 1) for n in layers
    }


@pytest.mark.parametrize("ending", [".bin", ".safetensors"])
def test_weights_take_the_matrices_in(tmp_path: Path, ending: str) -> None:
    model = tiny("llama")
    before, weights, given = logits(model), state(model), matrices(model)
    path = tmp_path / f"R{ending}"
    if ending == ".bin":
        torch.save(given, path)
    else:
        save_file({name: each.contiguous() for name, each in given.items()}, path)
    fold_rotations(model, r1=True, r2=True, trained=read_rotations(path))
    assert error(logits(model), before) < 1e-10
    now, r1 = state(model), given["R1"]
    table = "model.embed_tokens.weight"
    assert torch.allclose(now[table], weights[table] @ r1, atol=1e-12)
    for n in range(model.config.num_hidden_layers):
        r2 = given[f"model.layers.{n}.self_attn.R2"]
        name = f"model.layers.{n}.self_attn.o_proj.weight"
        heads = weights[name].unflatten(1, (-1, len(r2))) @ r2
        assert torch.allclose(now[name], r1.T @ heads.flatten(1), atol=1e-12)


def test_a_rounded_rotation_becomes_the_nearest_one(tmp_path: Path) -> None:
    model = tiny("llama")
    before = logits(model)
    torch.save({k: v.to(torch.bfloat16) for k, v in matrices(model).items()}, tmp_path / "R.bin")
    found = read_rotations(tmp_path / "R.bin")
    assert found.r1 is not None
    assert torch.allclose(found.r1.T @ found.r1, torch.eye(len(found.r1)).double(), atol=1e-12)
    assert torch.allclose(found.r1, matrices(model)["R1"], atol=2e-2)
    fold_rotations(model, r1=True, r2=True, trained=found)
    assert error(logits(model), before) < 1e-10


def test_a_recipe_names_the_file(tmp_path: Path) -> None:
    model, path = tiny("llama"), tmp_path / "R.bin"
    torch.save(matrices(model), path)
    expected = tiny("llama")
    expected.load_state_dict(model.state_dict())
    fold_rotations(expected, r1=True, r2=False, trained=read_rotations(path))
    recipe = {"rotation": {"r1": True, "matrices": str(path)}}
    quantize_module_transform_pass(model, recipe)
    assert all(torch.equal(state(expected)[name], now) for name, now in state(model).items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given: given.pop("R1"), "has no R1; take r1 = false"),
        (lambda given: given.pop("model.layers.1.self_attn.R2"), "no R2 of layer 1, of layers 0"),
        (lambda given: given.update(R1=rotation(6, 0)), r"R1 is \(6, 6\), and the model rotates"),
        (lambda given: given.update(R1=2 * given["R1"]), "R1: is no rotation: an element of"),
        (lambda given: given.update(R1=given["R1"][:2]), "R1: need a square matrix, got"),
        (lambda given: given.update(R3=given["R1"]), "holds 'R3'; known: R1 and"),
        (lambda given: given.clear(), "holds no rotation"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(tmp_path: Path, change, message) -> None:
    model = tiny("llama")
    given, weights = matrices(model), state(model)
    change(given)
    torch.save(given, tmp_path / "R.bin")
    with pytest.raises(FormatError, match=rf"R\.bin: .*{message}"):
        fold_rotations(model, r1=True, r2=True, trained=read_rotations(tmp_path / "R.bin"))
    assert all(torch.equal(weights[name], now) for name, now in state(model).items())


def test_what_is_no_file_of_tensors_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="does not exist"):
        read_rotations(tmp_path / "R.bin")
    for name in ("R.bin", "R.safetensors"):
        (tmp_path / name).write_bytes(b"no tensors")
        with pytest.raises(FormatError, match=f"{name}: cannot be read as tensors"):
            read_rotations(tmp_path / name)
    torch.save([1], tmp_path / "R.bin")
    with pytest.raises(FormatError, match="holds a list; need tensors by name"):
        read_rotations(tmp_path / "R.bin")


@pytest.mark.parametrize("table", [{}, {"r3": True}, {"r1": True, "random": True}])
def test_matrices_are_of_r1_and_r2(table: dict) -> None:
    recipe = {"rotation": {**table, "matrices": "R.bin"}, "a": {}}
    with pytest.raises(
        FormatError, match=r"\[rotation\]: matrices goes with r1 or r2, and without random$"
    ):
        quantize_module_transform_pass(tiny("llama"), recipe)
