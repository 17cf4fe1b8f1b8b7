"""A convolution is quantised as the product of patches and weights that a matrix unit computes."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant, golden
from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineInt, Granularity, ScaledFp
from plena_cosim.passes import dequantized_state_dict, quantize_module_transform_pass

W4A8 = {
    "name": "mxint",
    "weight_block_size": 8,
    "weight_width": 4,
    "data_in_block_size": 8,
    "data_in_width": 8,
}
BIAS = {"bias_block_size": 4, "bias_width": 8}
INT4, INT8 = (golden.mxint(width, block_size=8) for width in (4, 8))
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4},
    "strides": {"stride": (2, 3)},
    "padding": {"padding": (1, 2)},
    "same": {"padding": "same", "kernel_size": (2, 4)},
    "dilation": {"dilation": (2, 1), "padding": 2},
    "reflect": {"padding": (2, 1), "padding_mode": "reflect"},
    "circular": {"padding": 1, "padding_mode": "circular", "stride": 2},
    "replicate": {"padding": "same", "padding_mode": "replicate"},
    "all": {
        "groups": 2, "stride": (2, 1), "padding": (1, 2), "dilation": (1, 2),
        "padding_mode": "reflect",
    },
}  # fmt: skip
EACH = pytest.mark.parametrize("case", CASES)


def conv(**changes: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(**{"in_channels": 4, "out_channels": 8, "kernel_size": (3, 2)} | changes)


def image() -> Tensor:
    return torch.randn(2, 4, 9, 7, generator=torch.Generator().manual_seed(1))


def double(x: Tensor) -> np.ndarray:
    return x.detach().double().numpy()


def quantised(layer: nn.Module, **keys: Any) -> tuple[nn.Module, Any]:
    recipe = {"by": "type", "conv2d": {**W4A8, **keys}}
    return quantize_module_transform_pass(nn.Sequential(layer), recipe)


def oracle(layer: nn.Conv2d, x: Tensor) -> np.ndarray:
    """Patch by patch, in float64: what golden makes of each times what it makes of the weight."""
    (rows, columns), (up, left) = layer.kernel_size, layer.stride
    pads = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = double(functional.pad(x, pads, mode=mode))
    (down, right), width = layer.dilation, layer.in_channels // layer.groups
    high = (padded.shape[2] - down * (rows - 1) - 1) // up + 1
    wide = (padded.shape[3] - right * (columns - 1) - 1) // left + 1
    matrix = double(layer.weight).reshape(layer.out_channels, -1)
    weight = golden.quantize(matrix, INT4).dequantize()
    found = np.zeros((len(x), layer.out_channels, high, wide))
    share = layer.out_channels // layer.groups
    for sample, group, i, j in product(
        range(len(x)), range(layer.groups), range(high), range(wide)
    ):
        patch = padded[
            sample,
            group * width : (group + 1) * width,
            i * up : i * up + down * rows : down,
            j * left : j * left + right * columns : right,
        ][:, :rows, :columns].ravel()
        operand = golden.quantize(patch, INT8).dequantize()
        outputs = slice(group * share, (group + 1) * share)
        found[sample, outputs, i, j] = weight[outputs] @ operand
    if layer.bias is not None:
        found += double(layer.bias)[:, None, None]
    return found


@EACH
@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's own, here for the shape
@torch.no_grad()
def test_output_is_the_product_of_quantised_patches_and_weight(case: str) -> None:
    layer = conv(**CASES[case])
    found = quantised(layer)[0](image())
    expected = oracle(layer, image())
    assert found.shape == layer(image()).shape
    # Sums of 24 products at most, each rounded to 2^-24 of what is at most a few units.
    assert np.abs(double(found) - expected).max() < 1e-5


@EACH
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@torch.no_grad()
def test_without_formats_of_inputs_torch_computes_the_same(case: str) -> None:
    layer = conv(**CASES[case])
    recipe = {"by": "type", "conv2d": {key: W4A8[key] for key in list(W4A8)[:3]}}
    model, _ = quantize_module_transform_pass(nn.Sequential(layer), recipe)
    plain = conv(**CASES[case])
    state = dequantized_state_dict(model)
    plain.load_state_dict({name.removeprefix("0."): value for name, value in state.items()})
    weight = golden.quantize(double(layer.weight).reshape(8, -1), INT4).dequantize()
    assert np.array_equal(double(plain.weight).reshape(8, -1), weight)
    assert np.abs(double(model(image()) - plain(image()))).max() < 1e-5


@torch.no_grad()
def test_bias_one_image_and_gradients() -> None:
    layer = conv()
    model, info = quantised(layer, **BIAS)
    bias = golden.quantize(double(layer.bias), golden.mxint(8, block_size=4)).dequantize()
    assert np.array_equal(double(model[0].bias), bias)
    assert torch.equal(model(image()[0]), model(image())[0])
    with torch.enable_grad():
        x = image().requires_grad_()
        model(x).sum().backward()
    expected = functional.conv_transpose2d(torch.ones(2, 8, 7, 6), model[0].weight)
    assert torch.allclose(x.grad, expected, atol=1e-5)
    entry = info["0"]
    assert (entry.kind, entry.weight, entry.data_in, entry.bias) == (
        "Conv2d", "mxint4", "mxint8", "mxint8",
    )  # fmt: skip
    assert (entry.parameters, entry.block_size) == (8 * 24, 8)
    assert entry.bits_per_weight == 5.0
    assert entry.weight_mse > 0
    assert "(8, 4, 3, 2), groups=1, weight=mxint4/8" in repr(model)


@torch.no_grad()
def test_phases_have_convolutions_of_their_own() -> None:
    decode = {"phase": {"decode": {"conv2d": {**W4A8, "data_in_width": 4}}}}
    recipe = {"by": "type", "conv2d": W4A8, **decode}
    model, info = quantize_module_transform_pass(nn.Sequential(conv()), recipe)
    assert set(info) == {"0 (prefill)", "0 (decode)"}
    assert torch.equal(model(image()), quantised(conv())[0](image()))
    narrow = quantised(conv(), data_in_width=4)[0](image())
    assert torch.equal(model[0].decode(image()), narrow)
    assert not torch.equal(model(image()), narrow)


@torch.no_grad()
def test_a_saved_vision_model_is_equal_on_every_bit(tmp_path: Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=8, patch_size=4,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.ViTModel(config, add_pooling_layer=False).eval()
    pixels = torch.randn(2, 3, 8, 8)
    before = model(pixels).last_hidden_state
    recipe = {"by": "type", "conv2d": W4A8}
    _, info = quantize_module_transform_pass(model, recipe)
    assert list(info) == ["embeddings.patch_embeddings.projection"]
    expected = model(pixels).last_hidden_state
    assert not torch.equal(expected, before)
    model.save_pretrained(tmp_path)
    names = [name for name in model.state_dict() if "projection" in name]
    assert {name.rpartition("projection.")[2] for name in names} == {
        "stored.codes", "stored.scales", "stored_bias.values",
    }  # fmt: skip
    again = transformers.ViTModel.from_pretrained(tmp_path, add_pooling_layer=False)
    assert torch.equal(again(pixels).last_hidden_state, expected)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"online_rotate": True}, r"matches '0' \(Conv2d\), which .*; online_rotate cannot be"),
        ({"clip_search": True}, r"which takes weight_ keys in mxint or mxfp.*; clip_search cannot"),
        ({"rope": {"bypass": True}}, "rope cannot be given"),
    ],
)
def test_keys_that_it_does_not_take_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        quantised(conv(), **keys)


def test_exact_numerics_are_refused_and_nothing_is_changed() -> None:
    model = nn.Sequential(conv())
    message = (
        r"\[conv2d\]: module '0': a convolution is quantised with fake numerics only; use these, "
        "or exclude it from the recipe"
    )
    with pytest.raises(FormatError, match=message):
        quantize_module_transform_pass(model, {"by": "type", "conv2d": W4A8}, numerics="exact")
    assert type(model[0]) is nn.Conv2d


def test_classes_derived_from_it_are_left_alone() -> None:
    class Scaled(nn.Conv2d):
        pass

    model = nn.Sequential(Scaled(1, 1, 1))
    with pytest.raises(FormatError, match=r"matches '0' \(Scaled\), but a recipe changes only"):
        quantize_module_transform_pass(model, {"0": W4A8})


@EACH
def test_spec_is_about_the_tensors_themselves(case: str) -> None:
    layer, x = conv(**CASES[case]), image()
    int8 = AffineInt(bits=8)
    channels = Granularity(kind="channel", ch_axis=0)
    weight = fakequant.quantize_affine(layer.weight.detach(), AffineInt(bits=4), channels)
    expected = copy.deepcopy(layer)
    expected.weight.data = weight
    y = expected(fakequant.quantize_affine(x, int8))
    table = {
        "name": "spec",
        "weight": {"element": "int4", "granularity": "channel"},
        "data_in": {"element": "int8"},
        "data_out": {"element": "fp8_e4m3"},
    }
    model, info = quantize_module_transform_pass(
        nn.Sequential(layer), {"by": "type", "Conv2d": table}
    )
    made = model(x)
    assert torch.allclose(made, fakequant.quantize_affine(y, ScaledFp(element="e4m3")), atol=1e-6)
    assert torch.equal(model[0].weight, weight)
    assert info["0"].bits_per_weight == pytest.approx(4 + 32 * 8 / weight.numel())
    assert torch.equal(model(x[0]), model(x[:1])[0])


def test_static_ranges_of_a_convolution() -> None:
    static = {"element": "int8", "range": "min_max"}
    table = {"name": "spec", "data_in": static, "data_out": static}
    layer = conv(padding=1)
    y = layer(image()).detach()
    model, _ = quantize_module_transform_pass(
        nn.Sequential(layer), {"by": "type", "Conv2d": table}, samples=[image()]
    )
    assert model[0].input_ranges.high_0 == image().max()
    assert model[0].output_ranges.low_0 == y.min()
    by_channel = {**static, "granularity": "channel", "axis": -1}
    with pytest.raises(FormatError, match="a static range of a convolution is that of the tensor"):
        quantize_module_transform_pass(
            nn.Sequential(conv()),
            {"by": "type", "Conv2d": {"name": "spec", "data_in": by_channel}},
            samples=[image()],
        )
