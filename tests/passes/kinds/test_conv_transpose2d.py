"""A transposed convolution is quantised as products over input channels, or tensor by tensor."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plena_cosim import fakequant, golden
from plena_cosim.golden import FormatError, affine
from plena_cosim.golden.affine import AffineInt, Granularity, ScaledFp
from plena_cosim.passes import dequantized_state_dict, quantize_module_transform_pass

W4A8 = {
    "name": "mxint",
    "weight_block_size": 4,
    "weight_width": 4,
    "data_in_block_size": 4,
    "data_in_width": 8,
}
INT4, INT8 = (golden.mxint(width, block_size=4) for width in (4, 8))
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "groups": {"groups": 2},
    "depthwise": {"groups": 6},
    "strides": {"stride": (2, 3)},
    "padding": {"padding": (1, 2), "stride": 2},
    "output padding": {"stride": (2, 3), "output_padding": (1, 2)},
    "dilation": {"dilation": (2, 1)},
    "all": {
        "groups": 2, "stride": (3, 2), "padding": (1, 2), "dilation": (1, 2),
        "output_padding": (2, 1),
    },
}  # fmt: skip
EACH = pytest.mark.parametrize("case", CASES)
STATIC = {"element": "int8", "range": "min_max"}


def conv(**changes: Any) -> nn.ConvTranspose2d:
    torch.manual_seed(0)
    given = {"in_channels": 6, "out_channels": 12, "kernel_size": (3, 2)} | changes
    return nn.ConvTranspose2d(**given)


def image() -> Tensor:
    return torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(1))


def double(x: Tensor) -> np.ndarray:
    return x.detach().double().numpy()


def quantised(layer: nn.Module, table: dict[str, Any] = W4A8, **more: Any) -> tuple[Any, Any]:
    recipe = {"by": "type", "ConvTranspose2d": table}
    return quantize_module_transform_pass(nn.Sequential(layer), recipe, **more)


def scattered(layer: nn.ConvTranspose2d, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Each input pixel times the kernel, added where it lies in the output; in float64."""
    (rows, columns), (down, right) = layer.kernel_size, layer.stride
    (top, left), (tall, wide) = layer.padding, layer.dilation
    (_, inputs, high, long), groups = x.shape, layer.groups
    whole = np.zeros(
        (
            len(x),
            layer.out_channels,
            (high - 1) * down + tall * (rows - 1) + 1 + layer.output_padding[0],
            (long - 1) * right + wide * (columns - 1) + 1 + layer.output_padding[1],
        )
    )
    share, width = inputs // groups, layer.out_channels // groups
    for sample, channel, i, j in product(range(len(x)), range(inputs), range(high), range(long)):
        first = channel // share * width
        for a, b in product(range(rows), range(columns)):
            place = whole[sample, first : first + width, i * down + a * tall, j * right + b * wide]
            place += x[sample, channel, i, j] * weight[channel, :, a, b]
    found = whole[:, :, top : whole.shape[2] - top, left : whole.shape[3] - left]
    return found if layer.bias is None else found + double(layer.bias)[:, None, None]


def along_channels(x: np.ndarray, axis: int, groups: int, mx: golden.Mx) -> np.ndarray:
    """Each group's channels quantised by golden as rows of their own."""
    parts = np.split(np.moveaxis(x, axis, -1), groups, -1)
    values = [golden.quantize(np.ascontiguousarray(part), mx).dequantize() for part in parts]
    return np.moveaxis(np.concatenate(values, -1), -1, axis)


@EACH
@torch.no_grad()
def test_blocks_run_along_the_input_channels_of_a_group(case: str) -> None:
    layer = conv(**CASES[case])
    model, info = quantised(layer)
    weight = along_channels(double(layer.weight), 0, layer.groups, INT4)
    operand = along_channels(double(image()), 1, layer.groups, INT8)
    expected = scattered(layer, operand, weight)
    assert np.array_equal(double(model[0].weight), weight)
    found = model(image())
    assert found.shape == layer(image()).shape
    # Sums of 36 products at most, each rounded to 2^-24 of what is at most a few units.
    assert np.abs(double(found) - expected).max() < 1e-5
    assert (info["0"].kind, info["0"].weight) == ("ConvTranspose2d", "mxint4")
    assert info["0"].parameters == layer.weight.numel()


@EACH
@torch.no_grad()
def test_spec_is_about_the_tensors_themselves(case: str) -> None:
    layer, x = conv(**CASES[case]), image()
    along = Granularity(kind="channel", ch_axis=1)
    groups = affine.to_groups(layer.weight.numpy(), along)
    int4 = AffineInt(bits=4)
    values = affine.dequantize_affine(affine.quantize_affine(groups, int4), int4)
    weight = torch.tensor(affine.from_groups(values, layer.weight.shape, along))
    expected = copy.deepcopy(layer)
    expected.weight.data = weight
    y = expected(fakequant.quantize_affine(x, AffineInt(bits=8)))
    table = {
        "name": "spec",
        "weight": {"element": "int4", "granularity": "channel", "axis": 1},
        "data_in": {"element": "int8"},
        "data_out": {"element": "fp8_e4m3"},
    }
    model, info = quantised(layer, table)
    assert torch.equal(model[0].weight, weight)
    assert torch.equal(model(x), fakequant.quantize_affine(y, ScaledFp(element="e4m3")))
    outputs = layer.out_channels // layer.groups
    bits = 4 + 32 * outputs / weight.numel()
    assert info["0"].bits_per_weight == pytest.approx(bits)


@torch.no_grad()
def test_an_output_size_decides_in_the_place_of_output_padding() -> None:
    plain, shape = conv(stride=(3, 2), padding=1), {"stride": (3, 2), "padding": 1}
    only, _ = quantised(conv(**shape), {key: W4A8[key] for key in list(W4A8)[:3]})
    plain.weight.data = only[0].weight
    for size in ([13, 6], [15, 7], [2, 12, 14, 6]):
        made = only[0](image(), output_size=size)
        assert made.shape[-2:] == tuple(size[-2:])
        assert torch.equal(made, plain(image(), output_size=size))
    with pytest.raises(FormatError, match=r"output_size \(16, 6\) .* allowed: \(13, 6\) … \(15, 7"):
        only[0](image(), output_size=[16, 6])


@torch.no_grad()
def test_bias_one_image_and_gradients() -> None:
    model, info = quantised(conv(), {**W4A8, "bias_block_size": 4, "bias_width": 8})
    bias = golden.quantize(double(conv().bias), INT8).dequantize()
    assert np.array_equal(double(model[0].bias), bias)
    assert torch.equal(model(image()[0]), model(image())[0])
    assert "(6, 12, 3, 2), groups=1, weight=mxint4/4" in repr(model)
    assert info["0"].bias == "mxint8"
    with torch.enable_grad():
        x = image().requires_grad_()
        model(x).sum().backward()
    expected = model[0].weight.sum((1, 2, 3))[:, None, None].expand(6, 5, 4)
    assert torch.allclose(x.grad[0], expected, atol=1e-5)


@torch.no_grad()
def test_static_ranges_are_those_of_the_tensor() -> None:
    layer = conv(padding=1)
    y = layer(image())
    table = {"name": "spec", "data_in": STATIC, "data_out": STATIC}
    model, _ = quantised(layer, table, samples=[image()])
    assert model[0].input_ranges.high_0 == image().max()
    assert model[0].output_ranges.low_0 == y.min()
    for shared in ({"granularity": "channel", "axis": -1}, {"group_size": 2}):
        with pytest.raises(FormatError, match="range of a convolution is that of the tensor; got"):
            quantised(conv(), {"name": "spec", "data_in": {**STATIC, **shared}}, samples=[image()])


@EACH
@torch.no_grad()
def test_it_is_saved_and_exported_with_its_own_shape(case: str, tmp_path: Path) -> None:
    for table in (W4A8, {"name": "spec", "weight": {"element": "int4"}}):
        model, _ = quantised(conv(**CASES[case]), table)
        torch.save(model.state_dict(), tmp_path / "state.pt")
        again, _ = quantised(conv(**CASES[case] | {"bias": "bias" not in CASES[case]}), table)
        for parameter in again.parameters():
            parameter.zero_()
        again.load_state_dict(torch.load(tmp_path / "state.pt"))
        assert torch.equal(again(image()), model(image()))
        plain = conv(**CASES[case])
        state = dequantized_state_dict(model)
        plain.load_state_dict({name.removeprefix("0."): value for name, value in state.items()})
        assert torch.equal(plain.weight, model[0].weight)


def test_exact_numerics_and_derived_classes_are_refused() -> None:
    model = nn.Sequential(conv())
    recipe = {"by": "type", "ConvTranspose2d": W4A8}
    with pytest.raises(FormatError, match="a convolution is quantised with fake numerics only"):
        quantize_module_transform_pass(model, recipe, numerics="exact")
    assert type(model[0]) is nn.ConvTranspose2d

    class Scaled(nn.ConvTranspose2d):
        pass

    with pytest.raises(FormatError, match=r"matches '0' \(Scaled\), but a recipe changes only"):
        quantize_module_transform_pass(nn.Sequential(Scaled(1, 1, 1)), {"0": W4A8})
