"""Static ranges are what the float model shows, stage by stage; modules then quantise by them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, blocks
from plena_cosim.golden import affine as golden_affine
from plena_cosim.golden.affine import AffineInt, ScaledFp
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.recipe.range_rule import RangeRule


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x, *, twice=False):
        y = torch.relu(self.first(x))
        return self.second(self.second(y) if twice else y)


SAMPLES = [torch.randn(3, 8, generator=torch.Generator().manual_seed(n)) for n in range(4)]


UINT4 = AffineInt(bits=4, signed=False, zero_point="int32")


def recipe(**roles) -> dict:
    return {"by": "glob", "*": {"name": "spec", "weight": {"element": "int8"}, **roles}}


def quantised(roles: dict, samples=SAMPLES, **more):
    model, _ = quantize_module_transform_pass(Pair(), recipe(**roles), samples=samples, **more)
    return model


def test_inputs_and_outputs_have_the_extremes_of_the_float_model() -> None:
    model = Pair()
    inputs = torch.cat([torch.relu(model.first(x)) for x in SAMPLES])
    outputs = model.second(inputs)
    static = {"element": "int8", "range": "min_max"}
    made = quantised({"data_in": static, "data_out": static})
    assert made.second.input_ranges.low_0 == inputs.min()
    assert made.second.input_ranges.high_0 == inputs.max()
    assert made.second.output_ranges.low_0 == outputs.min()
    assert made.second.output_ranges.high_0 == outputs.max()


def test_values_are_quantised_by_that_range() -> None:
    made = quantised({"data_in": {"element": "int8", "range": "min_max"}})
    x = torch.relu(torch.randn(5, 8, generator=torch.Generator().manual_seed(9))) * 4
    low, high = made.second.input_ranges.ranges()[0]
    scale, _ = fakequant.affine_scale(low, high, AffineInt(bits=8))
    operand = fakequant.quantize_affine(x, AffineInt(bits=8), scale=scale)
    expected = nn.functional.linear(operand, made.second.weight, made.second.bias)
    assert torch.equal(made.second(x), expected)
    assert float(operand.max()) < float(x.max())  # beyond what calibration saw


def test_channels_have_ranges_of_their_own() -> None:
    role = {"element": "int8", "range": "min_max", "granularity": "channel", "axis": -1}
    made = quantised({"data_in": role})
    low, high = made.first.input_ranges.ranges()[0]
    assert torch.equal(low, torch.cat(SAMPLES).amin(0))
    assert torch.equal(high, torch.cat(SAMPLES).amax(0))


@pytest.mark.parametrize("group_size", [4, 3])
@pytest.mark.parametrize(
    ("element", "fmt"),
    [
        ({"element": "int8"}, AffineInt(bits=8)),
        (
            {"element": "uint4", "zero_point": "int32"},
            AffineInt(bits=4, signed=False, zero_point="int32"),
        ),
        ({"element": "fp4_e2m1", "scale": "e8m0"}, ScaledFp(element="e2m1", scale="e8m0")),
        ({"element": "fp4_e2m1", "scale": "e4m3"}, ScaledFp(element="e2m1", scale="e4m3")),
    ],
)
def test_groups_along_the_last_axis_have_one_range_for_all_rows(element, fmt, group_size) -> None:
    made = quantised({"data_in": {**element, "range": "min_max", "group_size": group_size}})
    seen = torch.cat(SAMPLES)
    parts = seen.split(group_size, -1)
    low = torch.stack([part.min() for part in parts])
    high = torch.stack([part.max() for part in parts])
    assert torch.equal(made.first.input_ranges.low_0, low)
    assert torch.equal(made.first.input_ranges.high_0, high)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(9)) * 2
    granularity = golden_affine.Granularity(kind="group", ch_axis=-1, group_size=group_size)
    scale, zero_point = golden_affine.affine_scale(low.numpy(), high.numpy(), fmt)
    shape = (2, 5, len(scale))
    given = {"scale": np.broadcast_to(scale, shape)}
    if "zero_point" in element:
        given["zero_point"] = np.broadcast_to(zero_point, shape)
    groups = golden_affine.to_groups(x.numpy(), granularity)
    quantised_groups = golden_affine.quantize_affine(groups, fmt, **given)
    values = golden_affine.dequantize_affine(quantised_groups, fmt)
    operand = torch.tensor(golden_affine.from_groups(values, x.shape, granularity))
    expected = nn.functional.linear(operand, made.first.weight, made.first.bias)
    assert torch.equal(made.first(x), expected)


@pytest.mark.parametrize(
    "rule",
    [
        {"range": "percentile", "percentile": 90.0},
        {"range": "histogram"},
        {"range": "histogram_pro", "bins": 64},
        {"range": "mse", "bins": 64, "start_bin": 40},
        {"range": "entropy", "bins": 256, "start_bin": 128},
    ],
    ids=lambda rule: rule["range"],
)
def test_every_method_finds_ranges_of_groups(rule) -> None:
    made = quantised({"data_in": {"element": "int8", "group_size": 4, **rule}})
    given = RangeRule(rule["range"], **{key: each for key, each in rule.items() if key != "range"})
    ends = []
    for columns in (slice(0, 4), slice(4, 8)):
        alone = make_observer(given, AffineInt(bits=8), golden_affine.Granularity())
        for x in SAMPLES:
            alone.update(x[:, columns])
        ends.append(alone.range())
    assert torch.equal(made.first.input_ranges.low_0, torch.stack([low for low, _ in ends]))
    assert torch.equal(made.first.input_ranges.high_0, torch.stack([high for _, high in ends]))


def test_ranges_of_groups_are_saved_and_shared() -> None:
    role = {"element": "int8", "range": "min_max", "group_size": 4}
    made = quantised({"data_out": {**role, "shared_by": "pair"}})
    assert torch.equal(made.first.output_ranges.low_0, made.second.output_ranges.low_0)
    other = quantised({"data_out": {**role, "shared_by": "pair"}}, samples=[SAMPLES[0] * 4])
    assert not torch.equal(other(SAMPLES[1]), made(SAMPLES[1]))
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(SAMPLES[1]), made(SAMPLES[1]))


@pytest.mark.parametrize("name", ["nvfp4", "nvfp4_two_stage"])
def test_two_levels_of_scale_have_a_static_scale_of_the_tensor(name: str) -> None:
    made = quantised({"data_in": {"element": name, "group_size": 4, "range": "min_max"}})
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(9)) * 2
    amax = torch.cat(SAMPLES).abs().max()
    assert amax != x.abs().max()
    fmt = blocks.get_block_format(name, block_size=4)
    found = blocks.quantize(x.numpy(), fmt, tensor_amax=amax.item())
    operand = torch.tensor(found.dequantize()).float()
    expected = nn.functional.linear(operand, made.first.weight, made.first.bias)
    assert torch.equal(made.first(x), expected)
    dynamic = quantised({"data_in": {"element": name, "group_size": 4}})
    assert not torch.equal(dynamic.first(x), expected)


def test_a_later_stage_sees_what_the_stages_before_give() -> None:
    chain = [{"element": "fp8_e4m3", "range": "min_max"}, {"element": "int4", "range": "min_max"}]
    made = quantised({"data_in": chain})
    seen = torch.cat(SAMPLES)
    fp8 = ScaledFp(element="e4m3")
    scale, _ = fakequant.affine_scale(seen.min(), seen.max(), fp8)
    first = fakequant.quantize_affine(seen, fp8, scale=scale)
    assert made.first.input_ranges.low_1 == first.min()
    assert made.first.input_ranges.high_1 == first.max()
    assert made.first.input_ranges.low_1 != seen.min()


def test_modules_that_share_a_range_have_that_of_both() -> None:
    role = {"element": "int8", "range": "min_max", "shared_by": "pair"}
    made = quantised({"data_out": role})
    apart = quantised({"data_out": {**role, "shared_by": ""}})
    for name, choose in (("low_0", min), ("high_0", max)):
        both = [float(getattr(each.output_ranges, name)) for each in (apart.first, apart.second)]
        assert both[0] != both[1]
        for module in (made.first, made.second):
            assert float(getattr(module.output_ranges, name)) == choose(both)


def test_samples_may_be_arguments_by_name() -> None:
    static = {"data_in": {"element": "int8", "range": "min_max"}}
    once = quantised(static)
    twice = quantised(static, samples=[{"x": x, "twice": True} for x in SAMPLES])
    assert once.second.input_ranges.low_0 == 0  # behind relu
    assert twice.second.input_ranges.low_0 < 0


def test_ranges_are_saved_and_kept_in_float32() -> None:
    made = quantised({"data_in": {"element": "int8", "range": "min_max"}})
    state = copy.deepcopy(made.state_dict())
    other = quantised({"data_in": {"element": "int8", "range": "min_max"}}, samples=[SAMPLES[0]])
    assert not torch.equal(other(SAMPLES[1]), made(SAMPLES[1]))
    other.load_state_dict(state)
    assert torch.equal(other(SAMPLES[1]), made(SAMPLES[1]))
    assert made.to(torch.bfloat16).first.input_ranges.low_0.dtype == torch.float32


def test_gradients_pass_straight_through() -> None:
    made = quantised({"data_in": {"element": "int8", "range": "min_max"}})
    x = SAMPLES[0].clone().requires_grad_()
    made.first(x).sum().backward()
    assert torch.allclose(x.grad, made.first.weight.sum(0).expand(3, 8))


@pytest.mark.parametrize(
    ("roles", "samples", "message"),
    [
        ({"data_in": {"element": "int8", "range": "min_max"}}, None, r"add a table \[ranges\]"),
        ({"data_in": {"element": "int8", "range": "min_max"}}, [], "there are no samples"),
        (
            {"data_in": {"element": "int8", "range": "min_max", "group_size": 4, "axis": 0}},
            SAMPLES,
            "that of the tensor, or of channels or groups along its last axis",
        ),
        (
            {"data_in": {"element": "fp8_e4m3", "range": "entropy"}},
            SAMPLES,
            "module 'first': data_in: range method 'entropy' counts equal steps",
        ),
        ({"weight": {"element": "int8", "group_size": 4, "axis": 2}}, SAMPLES, "weight: ch_axis 2"),
        (
            {"data_in": {"element": "int8", "range": "min_max"}},
            [torch.full((1, 8), torch.nan)],
            "module 'first': data_in: calibration: 8 of 8 values are NaN",
        ),
    ],
)
def test_what_cannot_be_calibrated_is_said_before_anything_changes(roles, samples, message) -> None:
    model = Pair()
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(model, recipe(**roles), samples=samples)
    assert type(model.first) is nn.Linear
    assert not model.first._forward_pre_hooks
    assert not model.first._forward_hooks


def test_a_module_that_is_not_called_is_named() -> None:
    class Half(Pair):
        def forward(self, x):
            return self.first(x)

    with pytest.raises(FormatError, match="'second': data_in: has a static range, and the model"):
        quantize_module_transform_pass(
            Half(), recipe(data_in={"element": "int8", "range": "min_max"}), samples=SAMPLES
        )


@pytest.mark.parametrize("role", ["weight", "data_in", "data_out", "bias"])
def test_exact_numerics_name_the_missing_unit(role: str) -> None:
    table = {"name": "spec", role: {"element": "int8"}}
    with pytest.raises(FormatError, match=f"{role}: the machine has no unit for int8/tensor"):
        quantize_module_transform_pass(Pair(), {"by": "glob", "*": table}, numerics="exact")


def test_exact_numerics_take_mx_elements() -> None:
    mx = {"element": "mxint8", "group_size": 8}
    table = {"name": "spec", "weight": mx, "data_in": mx}
    model, info = quantize_module_transform_pass(
        Pair(), {"by": "glob", "*": table}, numerics="exact"
    )
    same = {"name": "mxint"} | {
        f"{role}_{key}": 8 for role in ("weight", "data_in") for key in ("block_size", "width")
    }
    other, _ = quantize_module_transform_pass(Pair(), {"by": "glob", "*": same}, numerics="exact")
    assert torch.equal(model(SAMPLES[0]), other(SAMPLES[0]))
    assert info["first"].weight == "mxint8"
