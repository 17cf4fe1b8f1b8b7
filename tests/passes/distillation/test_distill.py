"""Distillation: what is trained, by which step, and how a training goes on."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.passes.families import build
from tests.passes.recipes import IN4, LINEAR, W4, token_ids
from torch import nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, get_format
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.checkpoints.run_folder import read_tensors, write_tensors
from plena_cosim.passes.distillation import Distilled
from plena_cosim.passes.distillation import distill as distill_by_plans
from plena_cosim.passes.distillation.distill import WARM_UP
from plena_cosim.passes.distillation.student import Trained
from plena_cosim.passes.distillation.student import student_of as student_by_plans
from plena_cosim.passes.modules.hadamard import rotate
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.quantize_module import build_modules
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe

ATTENTION = r"model\.layers\.\d+\.self_attn"
ONLY_WEIGHTS = {LINEAR: {"name": "mxint", **W4}}
CPU = torch.device("cpu")


def recipe(distill: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    table = {"steps": 4, "batch_size": 2, "learning_rate": 1e-3, **(distill or {})}
    return read_quant_config(
        {"distill": table, LINEAR: {"name": "mxint", **W4, **IN4}, **tables}, source="recipe.toml"
    )


def tokens(samples: int = 6, seqlen: int = 24) -> torch.Tensor:
    return token_ids(samples, seqlen, seed=7)


def decided(family: str, **changes: Any) -> nn.Module:
    """Return a tiny model that is less undecided than random weights are."""
    model = build(family, tie_word_embeddings=False, **changes)
    model.get_output_embeddings().weight.data *= 25
    return model


def distill(model: nn.Module, args: Recipe, given: torch.Tensor, **progress: Any) -> Distilled:
    return distill_by_plans(model, plans_of(model, args), args, given, **progress)


def student_of(
    model: nn.Module, args: Recipe, *, rounded: bool, device: torch.device
) -> tuple[nn.Module, list[Trained]]:
    plans = plans_of(model, args)
    return student_by_plans(model, plans, args, rounded=rounded, device=device)


def divergence(model: nn.Module, teacher: nn.Module, given: torch.Tensor) -> torch.Tensor:
    """Return sum p (log p - log q) a token, written out."""
    with torch.no_grad():
        wanted = teacher(given, use_cache=False).logits.double().log_softmax(-1)
    said = model(given, use_cache=False).logits.double().log_softmax(-1)
    return (wanted.exp() * (wanted - said)).sum(-1).mean()


@pytest.mark.parametrize("tables", [{}, {"rotation": {"online": ["o_proj", "down_proj"]}}])
def test_a_student_begins_as_the_quantised_model(tables: dict[str, Any]) -> None:
    model, args = (
        build("llama"),
        recipe(**tables, **{ATTENTION: {"name": "mxint", "kv_cache": IN4}}),
    )
    student, trained = student_of(model, args, rounded=True, device=CPU)
    quantized = copy.deepcopy(model)
    build_modules(quantized, args)
    assert torch.equal(student(tokens()).logits, quantized(tokens()).logits)
    names = {each.name for each in trained}
    assert "model.layers.1.mlp.down_proj.weight" in names
    assert "model.layers.0.input_layernorm.weight" in names
    assert not {"model.embed_tokens.weight", "lm_head.weight"} & names
    for each in trained:
        wanted = model.get_parameter(each.name)
        torch.testing.assert_close(each.plain(), wanted.detach(), atol=1e-6, rtol=1e-5)


def test_one_step_is_that_of_adam_on_straight_through_gradients() -> None:
    model, given = decided("llama"), tokens(2)
    args, before = recipe({"steps": 1}), copy.deepcopy(model)
    by_hand, mx = copy.deepcopy(model), get_format("mxint4", block_size=16)

    def rounded(_: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        x = inputs[0]
        return x + (fakequant.quantize(x.detach(), mx) - x).detach()

    trained = {}
    for name, module in by_hand.named_modules():
        if isinstance(module, nn.Linear) and "layers" in name:
            module.register_forward_pre_hook(rounded)
            trained[f"{name}.weight"] = module.weight
    trained |= {n: p for n, p in by_hand.named_parameters() if p.ndim == 1}
    loss = divergence(by_hand, before, given)
    loss.backward()
    found = distill(model, args, given)
    assert found.losses == pytest.approx((float(loss.detach()),), rel=1e-4)
    length = torch.cat([p.grad.flatten() for p in trained.values() if p.grad is not None]).norm()
    for name, parameter in model.named_parameters():
        moved = parameter.detach() - before.get_parameter(name).detach()
        if name not in trained:
            assert not moved.any(), name
            continue
        gradient = trained[name].grad
        assert gradient is not None
        gradient = gradient / max(1.0, float(length))
        wanted = -1e-3 / WARM_UP * gradient / (gradient.abs() + 1e-8)
        clear = gradient.abs() > 1e-6  # where rounding cannot turn a sign
        assert clear.float().mean() > 0.9
        torch.testing.assert_close(moved[clear], wanted[clear], atol=2e-6, rtol=1e-2)


@pytest.mark.parametrize(
    ("family", "weights", "share"),
    [
        *((name, "rounded", 0.8) for name in ("llama", "qwen2", "gemma", "phi", "gpt_oss")),
        ("qwen3_moe", "rounded", 0.8),
        ("llama", "float", 0.95),  # in random weights there is little to learn but the rounding
    ],
)
def test_the_quantised_model_comes_nearer_to_the_float_one(
    family: str, weights: str, share: float
) -> None:
    model, given = decided(family), tokens(8)
    key = r"model\.layers\.\d+\..*(_proj|\.experts|\.fc\d|\.dense)"
    norms = {"name": "minifloat", "weight_exponent_width": 4, "weight_frac_width": 3}
    operands = W4 | IN4 if weights == "rounded" else IN4
    quantised = {key: {"name": "mxint", **operands}, r"model\..*norm": norms}
    table = {"steps": 24, "batch_size": 4, "learning_rate": 2e-4, "weights": weights}
    plain = read_quant_config(quantised)
    teacher = copy.deepcopy(model)
    untrained, _ = quantize_module_transform_pass(copy.deepcopy(model), plain)
    found = distill(model, read_quant_config({"distill": table, **quantised}), given)
    assert len(found.losses) == 24
    quantize_module_transform_pass(model, plain)
    with torch.no_grad():
        before, after = (float(divergence(m, teacher, given)) for m in (untrained, model))
    assert after < share * before


def test_without_steps_weights_stay_as_they_are() -> None:
    """Clipping searches, rotations and offsets of norms leave no trace."""
    norms = {"name": "minifloat", "weight_exponent_width": 4, "weight_frac_width": 3}
    clipping = {"name": "mxint", "clip_search": [0.5], **W4, **IN4}
    model, before = build("gemma"), build("gemma")
    rotated = {"rotation": {"online": ["up_proj"]}, r"model\..*norm": norms}
    found = distill(
        model, recipe({"learning_rate": 0.0}, **rotated, **{LINEAR: clipping}), tokens()
    )
    assert found.losses[0] > 0
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before.state_dict()[name], atol=1e-6, rtol=0)


def test_teacher_and_student_drop_nothing_out() -> None:
    model, other = build("phi", attention_dropout=0.3, resid_pdrop=0.3), build("phi")
    model.train()
    key = r"model\.layers\.\d+\..*(_proj|fc\d|dense)"
    table = {"steps": 4, "batch_size": 2, "learning_rate": 1e-3}
    args = read_quant_config({"distill": table, key: {"name": "mxint", **W4, **IN4}})
    assert distill(model, args, tokens()).losses == distill(other, args, tokens()).losses
    assert model.training


def test_every_trained_parameter_has_a_gradient() -> None:
    model = build("gpt_oss")
    attention = {"name": "mxint", "qk_matmul": IN4, "av_matmul": IN4}
    experts = {r"model\.layers\.\d+\.mlp\.experts": {"name": "mxint", **W4, **IN4}}
    args = recipe(**{ATTENTION: attention}, **experts)
    student, trained = student_of(model, args, rounded=True, device=CPU)
    student(tokens()).logits.square().mean().backward()
    names = {each.name for each in trained}
    assert {"model.layers.0.self_attn.sinks", "model.layers.1.mlp.experts.down_proj_bias"} <= names
    for each in trained:
        assert each.latent.grad is not None, each.name
        assert each.latent.grad.any(), each.name


def test_a_norm_without_gain_is_no_obstacle() -> None:
    model = build("llama")
    model.model.norm = nn.LayerNorm(64, elementwise_affine=False)
    norms = {"name": "minifloat", "data_in_exponent_width": 5, "data_in_frac_width": 6}
    distill(model, recipe(**{r"model\.norm": norms}), tokens())


def test_gradients_that_overflow_leave_the_model_alone() -> None:
    model = build("llama")
    before = copy.deepcopy(model.state_dict())
    args = recipe({"steps": 1})
    with pytest.MonkeyPatch.context() as patch:
        clip = torch.nn.utils.clip_grad_norm_
        patch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *given: clip(*given) * float("nan"))
        with pytest.raises(FormatError, match=r"in step 1 the loss is .* its gradient nan long"):
            distill(model, args, tokens())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_it_runs_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert len(distill(build("llama"), recipe(), tokens()).losses) == 4


def test_a_state_without_a_weight_starts_anew(tmp_path: Path) -> None:
    args = recipe({"checkpoint_dir": str(tmp_path)})
    distill(build("llama"), args, tokens())
    (file,) = tmp_path.glob("*/state.safetensors")
    kept: list[str] = []
    tensors, about = read_tensors(file, _key(file), kept, "") or ({}, {})
    tensors.pop("model.norm.weight")
    about = {name: about[name] for name in ("losses", "steps")}
    write_tensors(file, _key(file), tensors, about)
    (file.parent / f".state.safetensors.{2**22 + 1}.x.tmp").mkdir()  # left by a killed run
    found = distill(build("llama"), args, tokens())
    assert found.resumed == 0
    assert any("holds other weights" in note for note in found.notes)
    assert not list(file.parent.glob(".*.tmp"))


def _key(file: Path) -> str:
    with safe_open(file, framework="pt") as opened:
        key: str = json.loads(opened.metadata()["plena"])["key"]
    return key


def test_weights_of_two_modules_stay() -> None:
    model = build("llama", tie_word_embeddings=True)
    before = model.lm_head.weight.detach().clone()
    both = {"lm_head|model.embed_tokens": {"name": "mxint", **W4}}
    distill(model, recipe(**both), tokens())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(model.lm_head.weight, before)


class Killed(Exception):  # noqa: N818  (nothing went wrong)
    pass


def killed_after(step: int) -> Any:
    def progress(what: str, done: int, total: int) -> None:
        if done == step:
            raise Killed

    return progress


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_killed_at_any_step_it_ends_with_the_same_bits(step: int, tmp_path: Path) -> None:
    whole, parts = build("llama"), build("llama")
    rotated = {"rotation": {"online": ["up_proj"]}}
    found = distill(whole, recipe(**rotated), tokens())
    args = recipe({"checkpoint_dir": str(tmp_path)}, **rotated)
    before = copy.deepcopy(parts.state_dict())
    with pytest.raises(Killed):
        distill(parts, args, tokens(), progress=killed_after(step))
    if step < 4:  # the model itself changes at the end only
        assert all(torch.equal(value, before[name]) for name, value in parts.state_dict().items())
        again = distill(parts, args, tokens())
    else:
        again = distill(build("llama"), args, tokens())
        parts = whole
    assert again.resumed == step
    assert again.losses == found.losses
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name


def test_a_finished_training_runs_no_step_and_keeps_no_moments(tmp_path: Path) -> None:
    args = recipe({"checkpoint_dir": str(tmp_path)})
    first, second = build("llama"), build("llama")
    distill(first, args, tokens())

    def never(what: str, done: int, total: int) -> None:
        raise AssertionError("a step ran")

    assert distill(second, args, tokens(), progress=never).resumed == 4
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    (file,) = tmp_path.glob("*/state.safetensors")
    assert not [name for name in load_file(file) if "exp_avg" in name]


def test_what_cannot_be_used_starts_anew(tmp_path: Path) -> None:
    args, wanted = recipe({"checkpoint_dir": str(tmp_path)}), build("llama")
    distill(wanted, args, tokens())
    (file,) = tmp_path.glob("*/state.safetensors")
    good = file.read_bytes()
    damaged = bytearray(good)
    damaged[-5] ^= 4
    for data, why in ((good[:-9], "broken"), (b"", "broken"), (bytes(damaged), "sha256")):
        file.write_bytes(data)
        model = build("llama")
        found = distill(model, args, tokens())
        assert found.resumed == 0
        assert any(why in note and "anew" in note for note in found.notes)
        for name, value in wanted.state_dict().items():
            assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", 5),
        ("batch_size", 3),
        ("learning_rate", 2e-3),
        ("weights", "rounded"),
        ("seed", 9),
        ("precision", "bfloat16"),
    ],
)
def test_a_changed_setting_starts_anew(key: str, value: Any, tmp_path: Path) -> None:
    kept = {"checkpoint_dir": str(tmp_path)}
    distill(build("llama"), recipe(kept), tokens())
    found = distill(build("llama"), recipe(kept | {key: value}), tokens())
    assert found.resumed == 0
    assert any(f"recipe.distill.{key}" in note for note in found.notes)
    assert distill(build("llama"), recipe(kept), tokens()).resumed == 4


def test_where_it_lies_and_runs_changes_nothing(tmp_path: Path) -> None:
    distill(build("llama"), recipe({"checkpoint_dir": str(tmp_path / "a")}), tokens())
    (tmp_path / "a").rename(tmp_path / "b")
    moved = recipe({"checkpoint_dir": str(tmp_path / "b"), "device": "cpu"})
    assert distill(build("llama"), moved, tokens()).resumed == 4


def test_the_whole_chain_resumes_with_the_same_codes(tmp_path: Path) -> None:
    gptq = {"model_name": "tiny", "format": "mxint", "weight_config": W4, "cali_batch_size": 2}
    args = recipe(
        {"checkpoint_dir": str(tmp_path / "distill")},
        gptq=gptq | {"checkpoint_dir": str(tmp_path / "gptq")},
        scaling={"method": "balance"},
        rotation={"online": ["down_proj"]},
        **{LINEAR: {"name": "mxint", "gptq": True, **W4, **IN4}},
    )
    first, _ = quantize_module_transform_pass(build("llama"), args, tokens=tokens())
    second, _ = quantize_module_transform_pass(build("llama"), args, tokens=tokens())
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    exact, _ = quantize_module_transform_pass(
        build("llama"), args, numerics="exact", tokens=tokens()
    )
    found = exact.state_dict()
    codes = [name for name in first.state_dict() if name.endswith("codes")]
    assert codes
    assert all(torch.equal(found[name], first.state_dict()[name]) for name in codes)


def test_errors_leave_the_model_alone() -> None:
    model = build("llama")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(
        FormatError, match=r"batch_size 9 is more than the 6 samples; give nsamples"
    ):
        distill(model, recipe({"batch_size": 9}), tokens())
    broken = build("llama")
    broken.model.embed_tokens.weight.data[5] = torch.inf
    with pytest.raises(FormatError, match=r"in step 1 the loss is nan .* smaller learning_rate"):
        distill(broken, recipe(), tokens())
    assert torch.equal(broken.model.norm.weight, before["model.norm.weight"])
    phases = read_quant_config(
        {"distill": {"batch_size": 2}, "phase": {
            "prefill": {LINEAR: {"name": "mxint", **W4, **IN4}},
            "decode": {LINEAR: {"name": "mxint", "weight_block_size": 16, "weight_width": 8}},
        }}
    )  # fmt: skip
    with pytest.raises(FormatError, match=r"quantises nothing but weights: there is nothing to le"):
        distill(model, read_quant_config({"distill": {"batch_size": 2}, **ONLY_WEIGHTS}), tokens())
    clipping = {LINEAR: {"name": "mxint", "clip_search": [1.0, 0.9], **W4, **IN4}}
    with pytest.raises(FormatError, match=r"has clip_search; remove one of the two"):
        distill(model, recipe({"weights": "rounded"}, **clipping), tokens())
    with pytest.raises(FormatError, match=r"calibration tokens must be whole numbers"):
        distill(model, recipe(), torch.zeros(4))
    with pytest.raises(FormatError, match=r"\[distill\]: model.layers.0.* not the same in prefill"):
        distill(model, phases, tokens())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_autocast_leaves_rotations_alone() -> None:
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = rotate(x, 32)
    assert torch.equal(inside, rotate(x, 32))


def test_products_in_bfloat16_give_nearly_the_same_losses() -> None:
    losses = {
        precision: distill(
            decided("llama"), recipe({"precision": precision, "learning_rate": 1e-5}), tokens()
        ).losses
        for precision in ("float32", "bfloat16")
    }
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(
        losses["float32"], rel=0.4
    )  # each step forks further


def test_a_recipe_that_cannot_be_read() -> None:
    with pytest.raises(
        FormatError, match=r"\[distill\]: unknown key 'step'; .*Did you mean 'steps'"
    ):
        recipe({"step": 4})
    with pytest.raises(FormatError, match=r"\[distill\]: weights must be 'float' or 'rounded'"):
        recipe({"weights": "codes"})


def test_a_model_in_bfloat16_is_trained_in_float32() -> None:
    model, args = build("llama").to(torch.bfloat16), recipe({"learning_rate": 1e-2})
    wide = copy.deepcopy(model).float()
    found = distill(model, args, tokens())
    assert found.losses == distill(wide, args, tokens()).losses  # a teacher in float32, too
    assert any("load the model in float32" in note for note in found.notes)
    assert all(parameter.dtype == torch.bfloat16 for parameter in model.parameters())
    loss = functional.mse_loss(
        model.model.layers[0].mlp.up_proj.weight.float(),
        build("llama").model.layers[0].mlp.up_proj.weight,
    )
    assert loss > 1e-6


def test_the_pass_refuses_before_it_changes_anything() -> None:
    model = build("llama")
    before = copy.deepcopy(model.state_dict())
    args = recipe({"batch_size": 9}, scaling={"method": "balance"})
    with pytest.raises(FormatError, match=r"batch_size 9 is more than the 6 samples"):
        quantize_module_transform_pass(model, args, tokens=tokens())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    with pytest.raises(FormatError, match=r"batch_size 9 is more than nsamples 8"):
        recipe({"batch_size": 9, "nsamples": 8})


def test_calibration_drops_nothing_out() -> None:
    key = r"model\.layers\.\d+\..*(_proj|fc\d|dense)"
    gptq = {"model_name": "tiny", "format": "mxint", "weight_config": W4, "cali_batch_size": 2}
    args = read_quant_config({"gptq": gptq, key: {"name": "mxint", "gptq": True, **W4}})
    dropping = build("phi", attention_dropout=0.3, resid_pdrop=0.3)
    states = []
    for model in (build("phi"), dropping.train()):
        made, _ = quantize_module_transform_pass(model, args, tokens=tokens())
        states.append(made.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
