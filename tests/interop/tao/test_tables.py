"""What a section becomes in a recipe's words, and which modules of a model it reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.interop.tao import recipe_tables
from plena_cosim.interop.tao.section import read_section
from plena_cosim.passes import left_alone, quantize_module_transform_pass

from .experiments import STATIC, layer, section


class Small(nn.Module):
    """Convolutions and linear layers with names to choose by."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.classifier = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 5))
        self.exclude = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.norm(self.stem(x)).mean((2, 3))
        return self.exclude(self.classifier(pooled))


def small() -> Small:
    torch.manual_seed(0)
    return Small().eval()


def tables(given: dict[str, Any]) -> dict[str, Any]:
    return recipe_tables(read_section(given, "file [quantize]")[0])


def images(seed: int = 1) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 6, 7, generator=draw) for _ in range(3)]


def chosen(*layers: dict[str, Any], skip: list[str] | None = None) -> list[str]:
    """Return the modules that are quantised."""
    given = section(layers=list(layers), skip_names=skip or [])
    return list(quantize_module_transform_pass(small(), tables(given))[1])


INT8 = {"weights": "int8"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("Linear", ["classifier.0", "classifier.1", "exclude"]),
        ("Conv2d", ["stem"]),
        ("classifier.1", ["classifier.1"]),
        ("classifier.*", ["classifier.0", "classifier.1"]),
        ("classifier.?", ["classifier.0", "classifier.1"]),
        ("*", ["stem", "classifier.0", "classifier.1", "exclude"]),
        ("L*r", ["classifier.0", "classifier.1", "exclude"]),
        ("Conv?d", ["stem"]),
        ("exclude", ["exclude"]),
    ],
)
def test_a_pattern_is_for_the_name_or_the_class(pattern: str, names: list[str]) -> None:
    assert chosen(layer(pattern, **INT8)) == names


@pytest.mark.parametrize("pattern", ["linear", "conv2d", "Classifier.0", "classifier.fc", "cls.?"])
def test_a_pattern_that_matches_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(FormatError, match=r"matches no module of the model.*nor a class of it"):
        chosen(layer(pattern, **INT8))


def test_a_pattern_for_what_is_never_quantised_is_an_error() -> None:
    with pytest.raises(FormatError, match="matches no Linear or Conv2d, only BatchNorm2d"):
        chosen(layer("BatchNorm*", **INT8))


def test_the_first_layer_that_matches_decides() -> None:
    layers = [layer("classifier.0", "native"), layer("exclude", "fp8_e5m2"), layer("*", "int8")]
    info = quantize_module_transform_pass(small(), tables(section(layers=layers)))[1]
    found = {name: entry.as_dict()["weight"] for name, entry in info.items()}
    assert found == {
        "stem": "int8/channel",
        "classifier.1": "int8/channel",
        "exclude": "e5m2/channel",
    }


@pytest.mark.parametrize(
    ("skip", "names"),
    [
        (["classifier.1"], ["stem", "classifier.0", "exclude"]),
        (["Linear"], ["stem"]),
        (["classifier.*", "Conv2d"], ["exclude"]),
        (["classifier.fc", "nothing*"], ["stem", "classifier.0", "classifier.1", "exclude"]),
        (["classifier"], ["stem", "classifier.0", "classifier.1", "exclude"]),
        (["exclude"], ["stem", "classifier.0", "classifier.1"]),
    ],
)
def test_skip_names_come_before_all_layers(skip: list[str], names: list[str]) -> None:
    assert chosen(layer("*", **INT8), skip=skip) == names


def test_what_is_skipped_says_so() -> None:
    model = small()
    given = section(layers=[layer("Linear", "int8")], skip_names=["exclude"])
    quantize_module_transform_pass(model, tables(given))
    assert [(each.name, each.reason) for each in left_alone(model).matrices] == [
        ("stem", "no selector chooses it"),
        ("exclude", "[[e]xclude] says bypass = true"),
    ]


def single(x: Any) -> Any:
    return np.asarray(x, np.float32)


def int8_oracle(weight: Any, half: float, least: int) -> Any:
    """Integers by output channel, each operation float32's."""
    rows = weight.reshape(len(weight), -1)
    scale = np.maximum(np.abs(rows).max(1, keepdims=True) / single(half), single(2.0**-23))
    codes = np.clip(np.rint(rows * (single(1) / scale)), least, 127)
    return (single(codes) * scale).reshape(weight.shape)


def fp8_oracle(weight: Any, kind: torch.dtype, *, by_channel: bool) -> Any:
    """Minifloats of torch, scaled by output channel or by tensor."""
    rows = weight.reshape(len(weight), -1)
    largest = torch.finfo(kind).max
    scale = np.abs(rows).max(1 if by_channel else None, keepdims=True) / single(largest)
    inside = np.clip(rows / scale, -largest, largest)
    codes = torch.from_numpy(single(inside)).to(kind).float().numpy()
    return (codes * scale).reshape(weight.shape)


E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2


@pytest.mark.parametrize(
    ("backend", "dtype", "oracle"),
    [
        ("torchao", "int8", lambda w: int8_oracle(w, 127.5, -128)),
        ("torchao", "fp8_e4m3fn", lambda w: fp8_oracle(w, E4M3, by_channel=True)),
        ("torchao", "float8_e5m2", lambda w: fp8_oracle(w, E5M2, by_channel=True)),
        ("modelopt", "int8", lambda w: int8_oracle(w, 127, -127)),
        ("modelopt", "float8_e4m3fn", lambda w: fp8_oracle(w, E4M3, by_channel=False)),
        ("modelopt", "fp8_e5m2", lambda w: fp8_oracle(w, E5M2, by_channel=False)),
        ("modelopt", "native", lambda w: w),
    ],
)
def test_weights_of_each_dtype(backend: str, dtype: str, oracle: Any) -> None:
    mode = {"torchao": "weight_only_ptq", "modelopt": "static_ptq"}[backend]
    layers = [layer("*", dtype, "int8")]
    model, plain = small(), small()
    with torch.no_grad():
        for module in (model, plain):
            module.exclude.weight[0] *= 1e-9  # below the least scale of int8
            module.exclude.weight[1] *= 4096.0
    given = section(backend=backend, mode=mode, layers=layers, skip_names=None)
    quantize_module_transform_pass(model, tables(given), samples=images())
    for name in ("stem", "classifier.0", "exclude"):
        weight = plain.get_submodule(name).weight.detach().numpy()
        made = model.get_submodule(name).weight.detach().numpy()
        np.testing.assert_array_equal(made, oracle(weight), err_msg=name)


@pytest.mark.parametrize("dtype", ["int8", "fp8_e4m3fn", "fp8_e5m2"])
def test_activations_have_the_range_of_the_calibration_data(dtype: str) -> None:
    model, plain, seen = small(), small(), []
    plain.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0].abs().max()))
    for each in images():
        plain(each)
    given = section(STATIC, layers=[layer("*", "native", dtype)])
    quantize_module_transform_pass(model, tables(given), samples=images())
    amax = single(torch.stack(seen).max())
    x = images(2)[0]
    if dtype == "int8":
        scale = amax / single(127)
        codes = np.clip(np.rint(x.numpy() * (single(1) / scale)), -127, 127)
    else:
        kind = {"fp8_e4m3fn": E4M3, "fp8_e5m2": E5M2}[dtype]
        scale = amax / single(torch.finfo(kind).max)
        inside = np.clip(x.numpy() / scale, -torch.finfo(kind).max, torch.finfo(kind).max)
        codes = torch.from_numpy(single(inside)).to(kind).float().numpy()
    wanted = plain.stem(torch.from_numpy(single(codes) * scale))
    assert torch.equal(model.stem(x), wanted)
    assert not torch.equal(wanted, plain.stem(x))


def test_entropy_takes_another_range_than_minmax() -> None:
    draw = torch.Generator().manual_seed(0)
    tailed = [torch.randn(8, 3, 6, 7, generator=draw) ** 5 for _ in range(2)]
    ranges = {}
    for algorithm in ("minmax", "entropy"):
        given = section(STATIC, layers=[layer("Conv2d", "int8", "int8")], algorithm=algorithm)
        made = quantize_module_transform_pass(small(), tables(given), samples=tailed)[0]
        ranges[algorithm] = float(made.stem.input_ranges.high_0)
    assert ranges["minmax"] == float(max(each.max() for each in tailed))
    assert 0 < ranges["entropy"] < ranges["minmax"]
