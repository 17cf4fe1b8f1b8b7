"""The pass replaces what the recipe chooses, computes what it says, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from plena_cosim import fakequant, golden
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.modules.exact_linear import ExactLinear
from plena_cosim.passes.modules.fake_linear import FakeLinear
from plena_cosim.passes.recipe.load import read_quant_config

W4A8 = {
    "name": "mxint",
    "weight_block_size": 16,
    "weight_width": 4,
    "data_in_block_size": 16,
    "data_in_width": 8,
}
A8 = {"name": "mxint", "data_in_block_size": 16, "data_in_width": 8}
W4 = {"name": "mxint", "weight_block_size": 16, "weight_width": 4}
BIAS = {"bias_block_size": 4, "bias_width": 5}
INT4, INT8, INT16 = (golden.mxint(width, block_size=16) for width in (4, 8, 16))


def by_type(**table) -> dict:
    return {"by": "type", "linear": table}


def in_vector_format(x: torch.Tensor, hw: golden.HardwareConfig) -> np.ndarray:
    """What the vector unit hands to the matrix unit."""
    return golden.decode(golden.encode(x.numpy(), hw.vector_format), hw.vector_format)


def test_fake_quantises_both_operands_and_the_bias(mlp) -> None:
    model, x = mlp(), torch.randn(3, 5, 40)
    up, down = model.up.weight.detach().clone(), model.down
    weight, bias = down.weight.detach().clone(), down.bias.detach().clone()
    quantised, info = quantize_module_transform_pass(model, by_type(**W4A8, **BIAS))
    assert quantised is model
    assert set(info) == {"up", "down"}
    hidden = functional.linear(fakequant.quantize(x, INT8), fakequant.quantize(up, INT4))
    assert torch.equal(model.up(x), hidden)
    normed = model.norm(hidden)
    five = golden.get_format("mxint5", block_size=4)
    expected = functional.linear(
        fakequant.quantize(normed, INT8),
        fakequant.quantize(weight, INT4),
        fakequant.quantize(bias, five),
    )
    assert torch.equal(model(x), expected)


def test_missing_roles_are_left_alone(mlp) -> None:
    x = torch.randn(4, 40)
    model = mlp()
    weight = model.up.weight.detach().clone()
    quantize_module_transform_pass(model, by_type(**W4))
    assert torch.equal(model.up(x), functional.linear(x, fakequant.quantize(weight, INT4)))
    model = mlp()
    weight = model.up.weight.detach().clone()
    _, info = quantize_module_transform_pass(model, by_type(**A8))
    assert torch.equal(model.up(x), functional.linear(fakequant.quantize(x, INT8), weight))
    assert info["up"].weight is None
    assert info["up"].bits_per_weight == 32
    assert info["up"].weight_mse == 0


def test_exact_is_goldens_matmul(mlp) -> None:
    model, x = mlp(), torch.randn(2, 3, 40)
    weight = model.up.weight.detach().numpy().copy()
    hw = golden.HardwareConfig(accumulator_format=golden.get_format("e6m5"))
    quantize_module_transform_pass(model, by_type(**W4A8), numerics="exact", hw=hw)
    assert isinstance(model.up, ExactLinear)
    codes = golden.ops.matmul(
        golden.quantize(in_vector_format(x, hw).reshape(6, 40), INT8),
        golden.quantize(weight.T, INT4, axis=0),
        hw,
    )
    expected = golden.decode(codes, hw.vector_format).reshape(2, 3, 24)
    np.testing.assert_array_equal(model.up(x).double().numpy(), expected)


def test_exact_adds_the_bias_with_one_rounding(mlp) -> None:
    model, x = mlp(), torch.randn(5, 24)
    weight, bias = (p.detach().numpy().copy() for p in (model.down.weight, model.down.bias))
    hw = golden.HardwareConfig(vector_format=golden.get_format("e4m7"))
    quantize_module_transform_pass(model, by_type(**W4A8, **BIAS), numerics="exact", hw=hw)
    codes = golden.ops.matmul(
        golden.quantize(in_vector_format(x, hw), INT8),
        golden.quantize(weight.T, INT4, axis=0),
        hw,
    )
    five = golden.get_format("mxint5", block_size=4)
    bias_codes = golden.encode(golden.quantize(bias, five).dequantize(), hw.vector_format)
    total = golden.ops.add(codes, bias_codes[None], hw.vector_format)
    expected = golden.decode(total, hw.vector_format)
    np.testing.assert_array_equal(model.down(x).double().numpy(), expected)


def test_exact_and_fake_differ_only_by_rounding(llama) -> None:
    ids = torch.arange(20)[None]
    models = []
    for numerics in (None, "fake", "exact"):
        torch.manual_seed(0)
        models.append(llama())
        if numerics:
            quantize_module_transform_pass(models[-1], by_type(**W4A8), numerics=numerics)
    with torch.no_grad():
        logits = [model(ids).logits for model in models]
    assert not torch.equal(logits[1], logits[2])
    assert (logits[1] - logits[2]).abs().mean() < 0.5 * (logits[0] - logits[1]).abs().mean()


def test_the_recipes_machine_is_used_and_an_argument_wins(mlp) -> None:
    recipe = read_quant_config(by_type(**W4A8))
    bf16 = golden.HardwareConfig(accumulator_format=golden.get_format("bf16"))
    recipe = replace(recipe, hardware=bf16)
    model, _ = quantize_module_transform_pass(mlp(), recipe, numerics="exact")
    assert model.up.hw == bf16
    model, _ = quantize_module_transform_pass(
        mlp(), recipe, numerics="exact", hw=golden.HardwareConfig()
    )
    assert model.up.hw == golden.HardwareConfig()


def test_regex_matches_whole_names_and_the_first_wins(llama) -> None:
    model = llama()
    recipe = {
        "by": "regex_name",
        r"model\.layers\.1\.self_attn\.q_proj": {**W4, "bypass": True},
        r"model\.layers\.\d+\.self_attn\.(q|k)_proj": {**W4, "weight_width": 3},
        r"model\.layers\.0\.self_attn\..*_proj": W4,
    }
    _, info = quantize_module_transform_pass(model, recipe)
    assert {name.removeprefix("model.layers."): entry.weight for name, entry in info.items()} == {
        "0.self_attn.q_proj": "mxint3",
        "0.self_attn.k_proj": "mxint3",
        "1.self_attn.k_proj": "mxint3",
        "0.self_attn.v_proj": "mxint4",
        "0.self_attn.o_proj": "mxint4",
    }
    assert type(model.model.layers[1].self_attn.q_proj) is nn.Linear
    assert isinstance(model.model.layers[1].self_attn.k_proj, FakeLinear)


def test_by_name_takes_regex_characters_literally(llama) -> None:
    name = "model.layers.0.mlp.up_proj"
    _, info = quantize_module_transform_pass(llama(), {"by": "name", name: W4})
    assert list(info) == [name]
    with pytest.raises(golden.FormatError, match="matches no module"):
        quantize_module_transform_pass(llama(), {"by": "name", name.replace(".", r"\."): W4})


def test_tied_embeddings_keep_their_values(llama) -> None:
    for numerics in ("fake", "exact"):
        model = llama()
        before = model.model.embed_tokens.weight.detach().clone()
        assert model.lm_head.weight is model.model.embed_tokens.weight
        _, info = quantize_module_transform_pass(model, by_type(**W4A8), numerics=numerics)
        assert info["lm_head"].untied
        assert not info["model.layers.0.mlp.up_proj"].untied
        assert torch.equal(model.model.embed_tokens.weight, before)
        head = fakequant.quantize(before, INT4)
        model.tie_weights()  # what Hugging Face calls on its own account
        assert torch.equal(model.lm_head.weight, head)
        assert torch.equal(model.model.embed_tokens.weight, before)


def test_info_says_what_was_lost(mlp) -> None:
    model = mlp()
    with torch.no_grad():
        model.up.weight.zero_()
        model.up.weight[0, :4] = torch.tensor([1.0, 0.3, -1.99, 1.75])
    _, info = quantize_module_transform_pass(model, by_type(**W4A8))
    entry = info["up"]
    # MXINT4 over a scale of 1: steps of 0.25 up to 1.75; 0.3 -> 0.25, -1.99 -> -1.75.
    assert entry.weight_mse == pytest.approx((0.05**2 + 0.24**2) / 960, rel=1e-6)
    assert entry.clipped_fraction == 1 / 960
    assert entry.bits_per_weight == pytest.approx(4 + 8 * 3 / 40)  # 40 inputs: 3 blocks a row
    assert (entry.weight, entry.data_in, entry.bias) == ("mxint4", "mxint8", None)
    assert (entry.parameters, entry.block_size, entry.numerics) == (960, 16, "fake")
    assert entry.as_dict()["selector"] == "linear"


def test_gradients_reach_the_input_through_fake_layers(mlp) -> None:
    model, _ = quantize_module_transform_pass(mlp(), by_type(**W4A8))
    x = torch.randn(3, 40, requires_grad=True)
    model.up(x).sum().backward()
    assert torch.equal(x.grad, model.up.weight.sum(0).expand(3, 40))
    assert not any(parameter.requires_grad for parameter in model.up.parameters())


def test_bfloat16_models_stay_bfloat16(mlp) -> None:
    for numerics in ("fake", "exact"):
        model, _ = quantize_module_transform_pass(
            mlp(torch.bfloat16), by_type(**W4A8), numerics=numerics
        )
        assert model(torch.randn(3, 40).bfloat16()).dtype == torch.bfloat16


def test_a_batch_does_not_change_its_members(mlp) -> None:
    model, _ = quantize_module_transform_pass(mlp(), by_type(**W4A8), numerics="exact")
    x = torch.randn(6, 40)
    assert torch.equal(model.up(x)[2:3], model.up(x[2:3]))


def test_the_modules_show_their_formats(mlp) -> None:
    model, _ = quantize_module_transform_pass(mlp(), by_type(**W4A8), numerics="exact")
    assert "weight=mxint4/16, data_in=mxint8/16, accumulator=fp32" in repr(model.up)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            {"by": "type", "conv2d": W4},
            r"\[conv2d\]: no module of that type; the model has LayerNorm",
        ),
        ({"by": "type", "linaer": W4}, "Did you mean 'Linear'"),
        ({"by": "name", "upp": W4}, r"\[upp\]: matches no module .*Did you mean 'up'"),
        ({"by": "regex_name", "u": W4}, "the whole name counts, such as 'up'"),
        ({"by": "name", "norm": W4}, r"matches 'norm' \(normalisation\), which takes"),
    ],
)
def test_a_selector_that_chooses_nothing_is_named(mlp, recipe, message) -> None:
    with pytest.raises(golden.FormatError, match=message):
        quantize_module_transform_pass(mlp(), recipe)


@pytest.mark.parametrize(
    ("table", "weight_format", "input_format"), [(W4, INT4, INT16), (A8, INT16, INT8)]
)
def test_exact_takes_what_has_no_format_as_mxint16(mlp, table, weight_format, input_format) -> None:
    model, x, hw = mlp(), torch.randn(6, 40), golden.HardwareConfig()
    weight = model.up.weight.detach().numpy().copy()
    quantize_module_transform_pass(model, by_type(**table), numerics="exact")
    codes = golden.ops.matmul(
        golden.quantize(in_vector_format(x, hw), input_format),
        golden.quantize(weight.T, weight_format, axis=0),
        hw,
    )
    expected = golden.decode(codes, hw.vector_format)
    np.testing.assert_array_equal(model.up(x).double().numpy(), expected)


def test_exact_refuses_what_the_matrix_unit_cannot_take(mlp) -> None:
    model, recipe = mlp(), by_type(**{**W4A8, "data_in_block_size": 32})
    with pytest.raises(
        golden.FormatError,
        match="module 'up': data_in: exact numerics need one block size for both operands, "
        "got 32 and 16",
    ):
        quantize_module_transform_pass(model, recipe, numerics="exact")
    assert type(model.up) is nn.Linear


def test_exact_refuses_a_dtype_that_cannot_hold_the_results(mlp) -> None:
    with pytest.raises(golden.FormatError, match=r"float16 cannot hold .* bf16; load the model in"):
        quantize_module_transform_pass(mlp(torch.float16), by_type(**W4A8), numerics="exact")


def test_exact_refuses_a_weight_that_was_converted_afterwards(mlp) -> None:
    model, _ = quantize_module_transform_pass(mlp(), by_type(**W4A8), numerics="exact")
    with pytest.raises(golden.FormatError, match=r"converted to torch\.bfloat16 and lost bits"):
        model.bfloat16()(torch.randn(2, 40).bfloat16())


@pytest.mark.parametrize("role", ["weight", "bias"])
def test_a_weight_that_is_not_finite_is_named_and_nothing_is_replaced(mlp, role) -> None:
    model = mlp()
    with torch.no_grad():
        getattr(model.down, role).view(-1)[3] = torch.nan
    with pytest.raises(golden.FormatError, match=f"'down': its {role} holds a NaN or Inf"):
        quantize_module_transform_pass(model, by_type(**W4A8))
    assert type(model.up) is nn.Linear


def test_unknown_numerics_are_named(mlp) -> None:
    with pytest.raises(golden.FormatError, match="unknown numerics 'exakt'; known: fake, exact"):
        quantize_module_transform_pass(mlp(), by_type(**W4A8), numerics="exakt")
