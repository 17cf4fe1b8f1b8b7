"""Calibration of whole models: who sees what, and what comes out."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.passes import recipes
from tests.passes.families import build
from tests.passes.recipes import IN4, LINEAR, LINEAR_AND_EXPERTS, W4, token_ids
from torch import nn

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, Mx
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.calibration import calibrate, layer_by_layer
from plena_cosim.passes.calibration.descent import descend
from plena_cosim.passes.calibration.gptq import damped, factorise, solve
from plena_cosim.passes.calibration.settings import scale_search
from plena_cosim.passes.layers.output_cache import OutputCache
from plena_cosim.passes.modules.hadamard import rotate
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.calibration_tables import GptqTable
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe

GPTQ = recipes.GPTQ | {"cali_batch_size": 2}


def recipe(gptq: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    selector = {"name": "mxint", "gptq": True, **W4, **IN4}
    return read_quant_config(
        {"gptq": GPTQ | (gptq or {}), LINEAR: selector, **tables}, source="recipe.toml"
    )


def tokens(samples: int = 6, seqlen: int = 24) -> torch.Tensor:
    return token_ids(samples, seqlen, seed=7)


def calibrated(model: nn.Module, args: Recipe, given: torch.Tensor) -> Any:
    return calibrate(model, plans_of(model, args), args, given)


def solved_by_hand(
    model: nn.Module, quantized: nn.Module, name: str, table: GptqTable, given: torch.Tensor
) -> torch.Tensor:
    """Calibrate one weight on what a whole quantised model gives it."""
    seen: list[torch.Tensor] = []
    module = quantized.get_submodule(name)
    hook = module.register_forward_pre_hook(
        lambda m, args: seen.append(m.operand(args[0]).flatten(0, 1))
    )
    with torch.no_grad():
        for sample in given:
            quantized(sample[None], use_cache=False)
    hook.remove()
    x = torch.cat(seen).double()
    sizes = torch.ones(len(x), 1)
    if table.token_weights == "unit":
        sizes = x.square().mean(1, keepdim=True).sqrt()
    weight = model.get_submodule(name).weight.detach()
    rotated = module.rotation is not None and not module.dequant
    if rotated:
        weight = rotate(weight, module.rotation)
    damp = table.damp_percent * max(1.0, x.shape[1] / len(x))
    gram = (x / sizes).T @ (x / sizes)
    if table.algorithm != "gptq":
        float_inputs = inputs_of(model if table.algorithm == "gptaq" else quantized, name, given)
        t = rotate(float_inputs, module.rotation) if rotated else float_inputs
        t = t.double() / sizes
        ridge = damp * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
        # W' x is to be W t, and the nearer to W the less the operands say.
        cross_gram = weight.double() @ t.T @ (x / sizes) + weight.double() @ ridge
        weight = torch.linalg.solve(gram + ridge, cross_gram, left=False).float()
    factor = factorise(gram, damp)
    found = solve(weight, factor, module.formats.weight, scale_search(table))
    if table.descent_sweeps:
        found = descend(
            found,
            weight,
            damped(gram, damp),
            module.formats.weight,
            scale_search(table),
            sweeps=table.descent_sweeps,
        )
    return found.weight.values


def inputs_of(model: nn.Module, name: str, given: torch.Tensor) -> torch.Tensor:
    """Return what a module of a whole model is given for all tokens, (tokens, n)."""
    seen: list[torch.Tensor] = []
    hook = model.get_submodule(name).register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    with torch.no_grad():
        for sample in given:
            model(sample[None], use_cache=False)
    hook.remove()
    return torch.cat(seen).flatten(0, 1)


def by_hand(model: nn.Module, args: Recipe, given: torch.Tensor) -> dict[str, torch.Tensor]:
    """Calibrate in the plainest way: whole quantised models, one group after the other.

    Every group sees the model with all weights before it calibrated, all after it as they round to
    nearest; what comes after a group cannot change its inputs.
    """
    assert args.gptq is not None
    done: dict[str, Any] = {}
    groups = ("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)
    for layer in range(2):
        for group in groups:
            quantized = copy.deepcopy(model)
            plain = args.tables | {
                key: {k: v for k, v in table.items() if k != "gptq"}
                for key, table in args.tables.items()
                if key == LINEAR
            }
            plain = {k: v for k, v in plain.items() if k != "gptq"}
            quantize_module_transform_pass(quantized, plain)
            for name, weight in done.items():
                quantized.get_submodule(name).stored.values.data.copy_(weight)
            part = "self_attn" if group[0] in "q_proj o_proj" else "mlp"
            for short in group:
                name = f"model.layers.{layer}.{part}.{short}"
                done[name] = solved_by_hand(model, quantized, name, args.gptq, given)
    return done


@pytest.mark.parametrize(
    ("gptq", "tables"),
    [
        ({}, {}),
        ({"clip_search_y": True, "token_weights": "uniform"}, {}),
        (
            {"quantile_search": False, "scale_neighbours": 0},
            {"rotation": {"online": ["o_proj", "up_proj"]}},
        ),
        ({}, {"rotation": {"online": ["down_proj"], "semantics": "dequant"}}),
        ({}, {r"model\.layers\.\d+\.self_attn": {"name": "mxint", "kv_cache": IN4}}),
        ({}, {r"model\.layers\.\d+\.self_attn": {"name": "mxint", "qk_matmul": IN4}}),
        ({"algorithm": "gptaq"}, {}),
        ({"algorithm": "gptaq"}, {"rotation": {"online": ["o_proj", "down_proj"]}}),
        ({"algorithm": "local"}, {}),
        ({"algorithm": "local"}, {"rotation": {"online": ["o_proj", "down_proj"]}}),
        ({"algorithm": "local"}, {"rotation": {"online": ["up_proj"], "semantics": "dequant"}}),
        ({"descent_sweeps": 2}, {}),
    ],
)
def test_groups_see_what_comes_before_them(gptq: dict[str, Any], tables: dict[str, Any]) -> None:
    expect_what_a_hand_finds(recipe(gptq, **tables), tokens())


def test_few_tokens_take_more_damping() -> None:
    expect_what_a_hand_finds(recipe(), tokens(1, 24))


def expect_what_a_hand_finds(args: Recipe, given: torch.Tensor) -> None:
    model = build("llama")
    before = copy.deepcopy(model.state_dict())
    found = calibrated(model, args, given)
    for name, weight in by_hand(model, args, given).items():
        mine = found.weights[name].values
        # Sums in another order may tip a value that lies between two codes.
        assert float((mine == weight).float().mean()) > 0.995, name
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    "family", ["llama", "qwen3", "mistral", "gemma", "phi3", "gpt_oss", "qwen3_moe"]
)
def test_outputs_get_better(family: str) -> None:
    model, given = build(family), tokens(16, 32)
    selector = {"name": "mxint", "gptq": True, **W4}
    args = read_quant_config({"gptq": GPTQ | {"clip_search_y": True}, LINEAR_AND_EXPERTS: selector})
    plain = read_quant_config(
        {LINEAR_AND_EXPERTS: {k: v for k, v in selector.items() if k != "gptq"}}
    )
    with torch.no_grad():
        wanted = model(given).logits
        errors = {}
        for what, config in (("gptq", args), ("nearest", plain)):
            quantized, info = quantize_module_transform_pass(
                copy.deepcopy(model), config, tokens=given
            )
            errors[what] = float((quantized(given).logits - wanted).square().mean())
    assert errors["gptq"] < 0.8 * errors["nearest"]
    assert info


def test_gptaq_targets_the_float_model() -> None:
    """What GPTAQ fits is W t for the operands x: least squares in float64 gives the target."""
    from plena_cosim.passes.calibration.fit import target_weight
    from plena_cosim.passes.calibration.hessian import Hessian

    generator = torch.Generator().manual_seed(1)
    float_operands = torch.randn(200, 12, generator=generator)
    x = float_operands + 0.1 * torch.randn(200, 12, generator=generator)
    weight = torch.randn(5, 12, generator=generator)
    hessian = Hessian.zeros(12, unit=False, cross_gram=True, device=torch.device("cpu"))
    hessian.add(x[:150], float_operands[:150])
    hessian.add(x[150:], float_operands[150:])
    target, *_ = np.linalg.lstsq(x.numpy(), (float_operands @ weight.T).numpy(), rcond=None)
    assert hessian.cross_gram is not None
    found = target_weight(weight, hessian.cross_gram, factorise(hessian.gram, 0.0))
    np.testing.assert_allclose(found.numpy(), target.T, atol=1e-4)


def test_experts_make_up_for_the_rounding_of_their_own_tokens() -> None:
    model, given = build("qwen3_moe"), tokens(16, 32)
    key = r"model\.layers\.\d+\.mlp\.experts"
    wide = W4 | {"weight_width": 8}
    coarse = {"data_in_block_size": 16, "data_in_width": 2}
    selector = {"name": "mxint", "gptq": True, **wide, **coarse}
    errors = {}
    for algorithm in ("gptq", "local"):
        table = GPTQ | {"weight_config": wide, "algorithm": algorithm}
        args = read_quant_config({"gptq": table, key: selector})
        quantized, _ = quantize_module_transform_pass(copy.deepcopy(model), args, tokens=given)
        outputs = []
        for layers in (model, quantized):
            experts = layers.model.layers[0].mlp
            hook = experts.register_forward_hook(lambda m, given, out, to=outputs: to.append(out))
            with torch.no_grad():
                layers(given, use_cache=False)
            hook.remove()
        errors[algorithm] = float((outputs[1] - outputs[0]).square().mean())
    assert errors["local"] < 0.9 * errors["gptq"]


def test_experts_without_tokens_are_rounded_and_reported() -> None:
    model = build("qwen3_moe")
    with torch.no_grad():  # the router never takes the last expert
        model.model.layers[0].mlp.gate.weight[3] = 0
        model.model.layers[0].mlp.gate.weight[:3] = 0
    key = r"model\.layers\.\d+\.mlp\.experts"
    args = read_quant_config({"gptq": GPTQ, key: {"name": "mxint", "gptq": True, **W4}})
    found = calibrated(model, args, tokens(2, 8))
    name = "model.layers.0.mlp.experts.down_proj"
    empty = [number for number, record in enumerate(found.records[name]) if record.rounded]
    assert empty
    assert all(found.records[name][number].tokens == 0 for number in empty)
    assert any("no token" in note and name in note for note in found.notes)
    mx = found.weights[name].mx
    assert isinstance(mx, Mx)
    for number in empty:
        weight = model.model.layers[0].mlp.experts.down_proj[number].detach()
        error = (found.weights[name].values[number] - weight).square().sum()
        assert error <= (fakequant.quantize(weight, mx) - weight).square().sum()


def test_only_the_first_layers() -> None:
    model, args = build("llama"), recipe({"max_layers": 1})
    found = calibrated(model, args, tokens())
    assert {name.split(".")[2] for name in found.weights} == {"0"}
    quantized, _ = quantize_module_transform_pass(copy.deepcopy(model), args, tokens=tokens())
    late = quantized.get_submodule("model.layers.1.mlp.up_proj")
    nearest = fakequant.quantize(
        model.get_submodule("model.layers.1.mlp.up_proj").weight, late.formats.weight
    )
    assert torch.equal(late.weight, nearest)


def test_exact_twins_take_the_same_codes() -> None:
    model, args = build("llama"), recipe()
    models = {
        numerics: quantize_module_transform_pass(
            copy.deepcopy(model), args, numerics=numerics, tokens=tokens()
        )[0]
        for numerics in ("fake", "exact")
    }
    name = "model.layers.1.self_attn.o_proj"
    fake, exact = (models[numerics].get_submodule(name) for numerics in ("fake", "exact"))
    assert torch.equal(fake.weight, exact.weight)
    assert torch.equal(fake.stored.scales, exact.stored.scales)
    assert bool(models["exact"](tokens(1)).logits.isfinite().all())


@pytest.mark.parametrize(
    ("gptq", "tables", "message"),
    [
        ({"device": "cuda:99"}, {}, "device 'cuda:99' cannot be used"),
        ({}, {"lm_head": {"name": "mxint", "gptq": True, **W4}}, "'lm_head' is outside"),
    ],
)
def test_what_cannot_be_calibrated(
    gptq: dict[str, Any], tables: dict[str, Any], message: str
) -> None:
    model = build("llama")
    with pytest.raises(FormatError, match=message):
        calibrated(model, recipe(gptq, **tables), tokens())


def test_a_recipe_that_calibrates_nothing() -> None:
    args = read_quant_config({"gptq": GPTQ, LINEAR: {"name": "mxint", **W4}})
    with pytest.raises(FormatError, match="no selector says gptq = true"):
        calibrated(build("llama"), args, tokens())


def test_activations_that_overflow() -> None:
    model = build("llama")
    with torch.no_grad():
        model.model.layers[1].input_layernorm.weight.fill_(1e30)
    with pytest.raises(FormatError, match=r"model.layers.1.*NaN or Inf"):
        calibrated(model, recipe({"token_weights": "uniform"}), tokens())


def test_phases_with_other_weights() -> None:
    wide = {"name": "mxint", "weight_block_size": 16, "weight_width": 8}
    args = recipe(phase={"decode": {LINEAR: wide}})
    with pytest.raises(FormatError, match="different weights"):
        calibrated(build("llama"), args, tokens())


def test_the_whole_chain_and_what_is_remembered(tmp_path: Path) -> None:
    """Scaling, R1 and R2, search and GPTQ in one recipe; saved and loaded it has the same bits."""
    import transformers

    args = recipe(
        {"checkpoint_dir": str(tmp_path / "checkpoints")},
        scaling={"method": "smoothquant"},
        rotation={"r1": True, "r2": True, "size": 8},
        rotation_search={
            "calib_nsamples": 2,
            "calib_seqlen": 16,
            "matmul_types": ["down_proj", "o_proj"],
            "cache_path": str(tmp_path / "rotation.json"),
        },
    )
    stages: list[str] = []
    model, info = quantize_module_transform_pass(
        build("llama"), args, tokens=tokens(), progress=lambda stage, *_: stages.append(stage)
    )
    assert list(dict.fromkeys(stage.split(",")[0] for stage in stages)) == [
        "scaling",
        "rotation search",
        "calibration",
    ]
    calibrated_linear = info["model.layers.0.mlp.up_proj"]
    assert calibrated_linear.calibration is not None
    assert calibrated_linear.calibration[0].tokens == tokens().numel()
    model.save_pretrained(tmp_path / "saved")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    with torch.no_grad():
        assert torch.equal(loaded(tokens()).logits, model(tokens()).logits)


def test_experts_take_their_calibrated_weights() -> None:
    key = r"model\.layers\.\d+\.mlp\.experts"
    args = read_quant_config({"gptq": GPTQ, key: {"name": "mxint", "gptq": True, **W4}})
    found = calibrated(build("qwen3_moe"), args, tokens())
    quantized, _ = quantize_module_transform_pass(build("qwen3_moe"), args, tokens=tokens())
    for name, weight in found.weights.items():
        assert torch.equal(quantized.get_submodule(name).stored.values, weight.values), name


@pytest.mark.parametrize("algorithm", ["gptq", "gptaq"])
@pytest.mark.parametrize("family", ["llama", "phi", "gemma3", "gpt_oss", "glm4_moe"])
def test_what_is_recalled_changes_no_bit(
    family: str, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = r"model\.layers\.\d+\..*(_proj|fc\d|dense|\.experts)"
    selector = {"name": "mxint", "gptq": True, **W4, **IN4}
    args = read_quant_config({"gptq": GPTQ | {"algorithm": algorithm}, key: selector})
    found = calibrated(build(family), args, tokens())
    monkeypatch.setattr(layer_by_layer, "OutputCache", partial(OutputCache, budget=0))
    again = calibrated(build(family), args, tokens())
    assert found.weights.keys() == again.weights.keys()
    for name, weight in found.weights.items():
        assert torch.equal(weight.values, again.weights[name].values), name
        assert torch.equal(weight.scales, again.weights[name].scales), name
