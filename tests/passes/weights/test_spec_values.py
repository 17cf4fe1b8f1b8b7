"""Stages of a SpecFormat give golden's values, one after the other."""

import numpy as np
import pytest
import torch

from plena_cosim import golden
from plena_cosim.golden import affine, blocks
from plena_cosim.passes.recipe.spec_format import SpecFormat
from plena_cosim.passes.recipe.spec_table import ELEMENTS, SpecTable, spec_format
from plena_cosim.passes.weights.packed_weight import PackedWeight
from plena_cosim.passes.weights.spec_values import quantize_spec, ranges_of


def spec(*tables: dict) -> SpecFormat:
    made = spec_format([SpecTable(**table) for table in tables])
    assert isinstance(made, SpecFormat)
    return made


def values(shape=(6, 64), seed=0) -> torch.Tensor:
    made = np.random.default_rng(seed).standard_normal(shape) * np.exp2(
        np.random.default_rng(seed + 1).integers(-12, 6, shape)
    )
    return torch.tensor(made, dtype=torch.float32)


def by_golden(x: torch.Tensor, fmt, granularity) -> torch.Tensor:
    groups = affine.to_groups(x.numpy(), granularity)
    made = affine.dequantize_affine(affine.quantize_affine(groups, fmt), fmt)
    return torch.tensor(affine.from_groups(made, x.shape, granularity))


GRANULARITIES = [
    ({}, affine.Granularity()),
    ({"granularity": "channel"}, affine.Granularity(kind="channel", ch_axis=0)),
    ({"granularity": "channel", "axis": 1}, affine.Granularity(kind="channel", ch_axis=1)),
    ({"group_size": 16}, affine.Granularity(kind="group", ch_axis=-1, group_size=16)),
    ({"group_size": 4, "axis": 0}, affine.Granularity(kind="group", ch_axis=0, group_size=4)),
]


@pytest.mark.parametrize(("keys", "granularity"), GRANULARITIES)
@pytest.mark.parametrize("element", ["int4", "uint8", "fp8_e4m3", "fp4_e2m1"])
def test_scales_are_shared_as_the_table_says(element, keys, granularity) -> None:
    names = {"fp8_e4m3": "e4m3", "fp4_e2m1": "e2m1"}
    fmt = (
        affine.ScaledFp(element=names[element])
        if element in names
        else affine.AffineInt(bits=int(element[-1]), signed=element[0] != "u")
    )
    x = values()
    made = quantize_spec(x, spec({"element": element, **keys}))
    assert torch.equal(made, by_golden(x, fmt, granularity))


def test_the_other_axes_of_a_format_reach_golden() -> None:
    x = values()
    made = quantize_spec(
        x,
        spec(
            {
                "element": "int8",
                "zero_point": "int32",
                "scale": "bf16",
                "rounding": "rdown",
                "quotient": "reciprocal",
            }
        ),
    )
    fmt = affine.AffineInt(
        bits=8, zero_point="int32", scale="bf16", rounding="rdown", quotient="reciprocal"
    )
    assert torch.equal(made, by_golden(x, fmt, affine.Granularity()))


@pytest.mark.parametrize("name", list(blocks.BLOCK_FORMATS))
def test_block_formats_are_those_of_golden(name: str) -> None:
    x = values()
    found = blocks.quantize(x.double().numpy(), blocks.get_block_format(name))
    expected = torch.tensor(found.dequantize(), dtype=torch.float32)
    assert torch.equal(quantize_spec(x, spec({"element": name})), expected)


def test_an_mx_element_along_the_last_axis_is_an_mx_format() -> None:
    made = spec_format([SpecTable(element="mxfp4_e2m1", group_size=16, scale_rule="even")])
    assert made == golden.get_format("mxfp4_e2m1", block_size=16, scale_rule="even")
    across = spec({"element": "mxint8", "axis": 0, "group_size": 2})
    x = values()
    down = golden.quantize(x.T.numpy(), golden.get_format("mxint8", block_size=2)).dequantize()
    assert torch.equal(quantize_spec(x, across), torch.tensor(down.T, dtype=torch.float32))


def test_a_chain_quantises_what_the_stage_before_gave() -> None:
    x = values()
    chain = spec({"element": "fp8_e4m3"}, {"element": "int4", "granularity": "channel"})
    first = quantize_spec(x, spec({"element": "fp8_e4m3"}))
    assert torch.equal(
        quantize_spec(x, chain),
        quantize_spec(first, spec({"element": "int4", "granularity": "channel"})),
    )
    assert not torch.equal(first, x)


def test_a_cast_goes_to_infinity_as_ieee_754_does() -> None:
    x = torch.tensor([70000.0, 65519.0, -1e9])
    assert quantize_spec(x, spec({"element": "fp16"})).tolist() == [np.inf, 65504.0, -np.inf]


def test_symmetric_codes_leave_out_the_most_negative_one() -> None:
    x = torch.tensor([[-2.0, 1.0]])
    table = {"element": "int8", "scale": "e8m0", "group_size": 2}
    assert quantize_spec(x, spec(table)).tolist() == [[-2.0, 1.0]]
    assert quantize_spec(x, spec({**table, "scale_rule": "floor"})).tolist() == [[-2.0, 1.0]]
    narrow = spec({**table, "symmetric_codes": True, "scale_rule": "floor"})
    x = torch.tensor([[-3.999, 1.0]])
    assert quantize_spec(x, spec({**table, "scale_rule": "floor"})).tolist() == [[-4.0, 1.0]]
    assert quantize_spec(x, narrow).tolist() == [[-127 / 32, 1.0]]


def test_symmetric_codes_reach_the_largest_magnitude_on_both_sides() -> None:
    x = torch.tensor([-127.0, 127.0, 0.6])
    assert quantize_spec(x, spec({"element": "int8", "symmetric_codes": True})).tolist() == [
        -127.0,
        127.0,
        1.0,
    ]
    assert quantize_spec(x, spec({"element": "int8"})).tolist()[0] != -127.0


def test_a_scale_has_a_floor() -> None:
    x = torch.tensor([0.1, -0.02])
    made = quantize_spec(x, spec({"element": "int8", "min_scale": 0.05}))
    assert made.tolist() == pytest.approx([0.1, 0.0])
    assert torch.equal(
        quantize_spec(x, spec({"element": "int8", "min_scale": 1e-9})),
        quantize_spec(x, spec({"element": "int8"})),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("element", ELEMENTS)
def test_every_element_takes_every_dtype(element: str, dtype: torch.dtype) -> None:
    made = spec_format([SpecTable(element=element)])
    x = values((4, 64)).to(dtype)
    stored = PackedWeight(x, made, dtype=dtype)
    assert stored.values.dtype == dtype
    assert stored.values.shape == x.shape
    assert bool(stored.values.isfinite().all())


def test_a_weight_with_a_static_range_has_its_own() -> None:
    x = values((8, 64))
    table = {"element": "int4", "granularity": "channel"}
    static = spec({**table, "range": "min_max"})
    assert torch.equal(PackedWeight(x, static).values, PackedWeight(x, spec(table)).values)
    cut = spec({**table, "range": "percentile", "percentile": 50.0})
    ((low, high),) = ranges_of(x, cut)
    assert low.shape == high.shape == (8,)
    assert bool((torch.maximum(-low, high) < x.abs().amax(1)).all())
    assert not torch.equal(PackedWeight(x, cut).values, PackedWeight(x, static).values)


def test_a_weight_saves_its_values() -> None:
    x = values((4, 32))
    stored = PackedWeight(x, spec({"element": "int8"}), dtype=torch.float32)
    state = stored.state_dict()
    assert list(state) == ["values"]
    other = PackedWeight.empty(x, spec({"element": "int8"}), dtype=torch.float32)
    other.load_state_dict(state)
    assert torch.equal(other.values, stored.values)


@pytest.mark.parametrize(
    ("table", "shape", "bits"),
    [
        ({"element": "int4", "group_size": 16}, (4, 40), 4 * 40 * 4 + 4 * 3 * 32),
        ({"element": "int8", "zero_point": "int32"}, (4, 40), 4 * 40 * 8 + 64),
        ({"element": "fp8_e4m3", "granularity": "channel"}, (4, 40), 4 * 40 * 8 + 4 * 32),
        ({"element": "int8", "scale": "e8m0", "group_size": 40}, (4, 40), 4 * 40 * 8 + 4 * 8),
        ({"element": "int8", "scale": "pow2"}, (4, 40), 4 * 40 * 8 + 8),
        ({"element": "bf16"}, (4, 40), 4 * 40 * 16),
        ({"element": "mx9"}, (4, 32), 4 * 32 * (8 + 0.5 + 8 / 32)),
    ],
)
def test_the_cost_of_storing_counts_scales(table, shape, bits) -> None:
    assert spec(table).bits(shape) == bits


def test_every_format_of_scales_has_a_cost() -> None:
    for scale in affine.ScaleFormat:
        element = "fp4_e2m1" if scale is affine.ScaleFormat.E4M3 else "int8"
        width = 4 if element == "fp4_e2m1" else 8
        extra = spec({"element": element, "scale": scale.value}).bits((2, 4)) - 8 * width
        assert extra == {"fp32": 32, "fp16": 16, "bf16": 16}.get(scale.value, 8)
