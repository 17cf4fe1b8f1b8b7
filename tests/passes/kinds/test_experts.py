"""Experts by the axes of their formats: each matrix is quantised as that of a linear layer."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from plena_cosim.golden import FormatError, affine
from plena_cosim.passes import dequantized_state_dict, quantize_module_transform_pass

from ..families import build
from ..recipes import token_ids

WEIGHTS: dict[str, tuple[dict[str, Any], affine.AffineFormat, affine.Granularity]] = {
    "tensor": ({"element": "int8"}, affine.AffineInt(bits=8), affine.Granularity()),
    "channel": (
        {"element": "int4", "granularity": "channel", "zero_point": "int32"},
        affine.AffineInt(bits=4, zero_point="int32"),
        affine.Granularity(kind="channel", ch_axis=0),
    ),
    "group": (
        {"element": "fp4_e2m1", "group_size": 24, "scale": "e4m3"},
        affine.ScaledFp(element="e2m1", scale="e4m3"),
        affine.Granularity(kind="group", ch_axis=-1, group_size=24),
    ),
    "static": (
        {"element": "int8", "range": "min_max"},
        affine.AffineInt(bits=8),
        affine.Granularity(),
    ),
}
TOKENS = token_ids(2, 8, seed=0)
INPUT = {"element": "int8", "granularity": "channel", "axis": 0}
EACH_FAMILY = pytest.mark.parametrize("family", ["qwen3_moe", "gpt_oss"])
EACH_WEIGHT = pytest.mark.parametrize("name", WEIGHTS)


def by_golden(x: Tensor, fmt: affine.AffineFormat, granularity: affine.Granularity) -> Tensor:
    groups = affine.to_groups(x.detach().numpy(), granularity)
    values = affine.dequantize_affine(affine.quantize_affine(groups, fmt), fmt)
    return torch.tensor(affine.from_groups(values, x.shape, granularity))


def quantised(family: str, table: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    recipe = {r".*\.experts": {"name": "spec", **table}}
    return quantize_module_transform_pass(build(family), recipe, **more)


def experts_of(model: nn.Module) -> Any:
    return model.get_submodule("model.layers.1.mlp.experts")


@EACH_FAMILY
@EACH_WEIGHT
@torch.no_grad()
def test_each_matrix_is_that_of_a_linear_layer(family: str, name: str) -> None:
    table, fmt, granularity = WEIGHTS[name]
    model, info = quantised(family, {"weight": table})
    made, plain = experts_of(model), deepcopy(experts_of(build(family)))
    bits = 0.0
    for part in ("gate_up_proj", "down_proj"):
        weight = plain.get_parameter(part)
        turned = weight.mT if family == "gpt_oss" else weight
        values = torch.stack([by_golden(each.contiguous(), fmt, granularity) for each in turned])
        weight.copy_(values.mT if family == "gpt_oss" else values)
        assert torch.equal(made.get_submodule(part).stored.values, weight)
        out, inputs = turned.shape[1:]
        scales = {"tensor": 1, "static": 1, "channel": out, "group": out * -(-inputs // 24)}[name]
        size = {"channel": 32 + 32, "group": 8}.get(name, 32)
        element = 8 if name in ("tensor", "static") else 4
        bits += len(weight) * (out * inputs * element + scales * size)
    entry = info["model.layers.1.mlp.experts"]
    assert entry.bits_per_weight == pytest.approx(bits / entry.parameters)
    x, chosen = torch.randn(6, 64), torch.tensor([[0, 1], [3, 1]] * 3)
    shares = torch.rand(6, 2)
    expected = plain(x, chosen, shares)
    torch.testing.assert_close(made(x, chosen, shares), expected, rtol=1e-6, atol=1e-7)


@EACH_FAMILY
@torch.no_grad()
def test_inputs_are_quantised_where_an_expert_multiplies_them(family: str) -> None:
    model, _ = quantised(family, {"weight": {"element": "int8"}, "data_in": INPUT})
    part = experts_of(model).gate_up_proj
    x = torch.randn(5, 64)
    rows = affine.Granularity(kind="channel", ch_axis=0)
    operand, matrix = by_golden(x, affine.AffineInt(bits=8), rows), part.stored.values[2]
    if family == "gpt_oss":
        assert torch.equal(x @ part[2], operand @ matrix)
    else:
        assert torch.equal(functional.linear(x, part[2]), functional.linear(operand, matrix))


@EACH_FAMILY
@torch.no_grad()
def test_a_saved_model_is_equal_on_every_bit(family: str, tmp_path: Path) -> None:
    model, _ = quantised(family, {"weight": WEIGHTS["channel"][0], "data_in": INPUT})
    expected = model(TOKENS).logits
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(TOKENS).logits, expected)
    name = "model.layers.1.mlp.experts.down_proj"
    values = model.get_submodule(name).stored.values
    assert torch.equal(dequantized_state_dict(model)[name], values)


@pytest.mark.parametrize(
    ("table", "numerics", "message"),
    [
        (
            {"data_in": {"element": "int8", "range": "min_max"}},
            "fake",
            r"data_in: experts are handed their tokens inside the module.*take range = .dynamic",
        ),
        ({"weight": {"element": "int8"}}, "exact", "the machine has no unit for int8/tensor"),
        (
            {"data_out": {"element": "int8"}},
            "fake",
            r"\(experts\), which takes .*; data_out cannot",
        ),
        ({"weight": {"element": "int8", "group_size": 4, "axis": 2}}, "fake", "ch_axis 2"),
    ],
)
def test_what_experts_do_not_take_is_one_error(
    table: dict[str, Any], numerics: str, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        quantised("qwen3_moe", table, numerics=numerics, tokens=TOKENS)
