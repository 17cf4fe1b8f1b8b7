"""Rotating both operands leaves their product, and spreads outliers before they are quantised."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.golden.hadamard_matrices import hadamard_matrix as golden_matrix
from plena_cosim.golden.hadamard_sizes import hadamard_orders
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.modules import hadamard
from plena_cosim.passes.modules.hadamard import (
    KERNEL,
    MATRICES,
    hadamard_matrix,
    rotate,
    rotate_online,
    rotation_path,
    rotation_size,
)

from ..recipes import W8A8


@pytest.mark.parametrize("size", [2, 4, 16, 32, 128, 256, 1024])
def test_the_matrix_is_sylvesters_and_its_own_inverse(size: int) -> None:
    hadamard = torch.ones(1, 1, dtype=torch.float64)
    while len(hadamard) < size:
        hadamard = torch.cat(
            [torch.cat([hadamard, hadamard], 1), torch.cat([hadamard, -hadamard], 1)], 0
        )
    identity = torch.eye(size, dtype=torch.float64)
    torch.testing.assert_close(rotate(identity, size), hadamard / size**0.5)
    x = torch.randn(3, 2 * size, dtype=torch.float64)
    torch.testing.assert_close(rotate(rotate(x, size), size), x)
    blocks = x.reshape(3, 2, size) @ hadamard / size**0.5
    torch.testing.assert_close(rotate(x, size), blocks.reshape(3, -1))


def test_blocks_in_tensors_of_any_shape() -> None:
    x = torch.randn(2, 3, 5, 64, dtype=torch.float64)
    expected = torch.stack([rotate(row, 16) for row in x.reshape(-1, 64)]).reshape(x.shape)
    torch.testing.assert_close(rotate(x, 16), expected)
    torch.testing.assert_close(rotate(x.mT, 1), x.mT)
    torch.testing.assert_close(rotate(x.transpose(1, 2), 16), expected.transpose(1, 2))


@pytest.mark.parametrize("k", hadamard_orders()[1:])
def test_other_sizes_are_goldens_matrix_times_sylvesters(k: int) -> None:
    signs = torch.from_numpy(golden_matrix(k).astype("float64"))
    for size in (k, 2 * k, 64 * k):
        sylvester = rotate(torch.eye(size // k, dtype=torch.float64), size // k)
        x = torch.randn(3, size, dtype=torch.float64)
        groups = x.reshape(3, k, -1) @ sylvester
        expected = (signs @ groups / k**0.5).reshape(3, -1)
        torch.testing.assert_close(rotate(x, size), expected)
        torch.testing.assert_close(rotate(rotate(x, size), size, inverse=True), x)
        alike = torch.allclose(rotate(x, size), rotate(x, size, inverse=True))
        assert alike is (k not in (92, 116, 156, 172))


def test_of_other_sizes_golden_differs_by_rounding_alone() -> None:
    fp32 = golden.get_format("fp32")
    x = torch.arange(2 * 184.0).reshape(2, 184)
    codes = golden.ops.hadamard(golden.encode(x.numpy(), fp32), fp32, block=184)
    found = torch.from_numpy(golden.decode(codes, fp32)).float()
    torch.testing.assert_close(found, rotate(x, 184), rtol=1e-5, atol=1e-3)


def test_a_size_without_a_matrix_is_refused() -> None:
    with pytest.raises(FormatError, match="cannot rotate blocks of 188 elements"):
        rotate(torch.zeros(1, 188), 188)


def test_it_is_goldens_order() -> None:
    fp32 = golden.get_format("fp32")
    x = torch.arange(16.0)
    codes = golden.ops.hadamard(golden.encode(x.numpy(), fp32), fp32, block=16)
    assert golden.decode(codes, fp32).tolist() == rotate(x, 16).tolist()


@pytest.mark.parametrize("size", [2, 16, 64, 128, 512, 12, 144, 172])
def test_a_block_does_not_depend_on_those_beside_it(size: int) -> None:
    x = torch.randn(70, {12: 48, 144: 576, 172: 344}.get(size, 512))
    together = rotate(x, size)
    for rows in (1, 2, 3, 17, 64):
        assert torch.equal(rotate(x[:rows], size), together[:rows])
    assert torch.equal(rotate(x[5, :size], size), together[5, :size])
    torch.set_num_threads(2)
    assert torch.equal(rotate(x, size), together)
    blocks = x[:, :size]
    alone = rotate(blocks.contiguous(), size)
    for rows in range(1, 16):
        assert torch.equal(rotate(blocks[:rows], size), alone[:rows])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_dtypes_are_rounded_once(dtype: torch.dtype) -> None:
    x = torch.randn(9, 64).to(dtype)
    assert torch.equal(rotate(x, 32), rotate(x.float(), 32).to(dtype))


def test_the_gradient_is_rotated_as_well() -> None:
    hadamard_matrix.cache_clear()
    with torch.inference_mode():
        rotate(torch.randn(3, 64), 64)  # the matrix that it leaves behind is fit for gradients
    x = torch.randn(3, 64, requires_grad=True)
    weights = torch.randn(3, 64)
    (rotate(x, 64) * weights).sum().backward()
    torch.testing.assert_close(x.grad, rotate(weights, 64))


def test_blocks_that_would_span_rows_are_refused() -> None:
    with pytest.raises(FormatError, match="cannot rotate rows of 24 elements in blocks of 32"):
        rotate(torch.randn(4, 24), 32)


@pytest.mark.parametrize("size", [True, 8, 24, 48])
def test_the_layer_computes_what_it_did(size: int | bool) -> None:
    linear = nn.Linear(48, 8)
    x = torch.randn(5, 48)
    table = W8A8 | {"weight_width": 16, "data_in_width": 16, "online_rotate": size}
    expected = linear(x)
    model = nn.Sequential(linear)
    _, info = quantize_module_transform_pass(model, {"by": "type", "linear": table})
    assert info["0"].rotation == (16 if size is True else size)
    torch.testing.assert_close(model(x), expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(model[0].weight, linear.weight, atol=1e-2)


@pytest.mark.parametrize("size", [16, 92, 96, 184])
def test_a_rotated_weight_comes_back_to_the_basis_of_the_model(size: int) -> None:
    plain = nn.Sequential(nn.Linear(size, 3, bias=False))
    args = {"by": "name", "0": {**W8A8, "online_rotate": size}}
    args["0"] |= {"weight_block_size": 4, "data_in_block_size": 4}
    network, _ = quantize_module_transform_pass(copy.deepcopy(plain), args)
    rotated = rotate(plain[0].weight.detach().double(), size)
    torch.testing.assert_close(
        network[0].to_plain(rotated), plain[0].weight.detach().double(), rtol=0, atol=1e-12
    )


def test_fake_quantises_the_rotated_operands() -> None:
    linear, x, eight = nn.Linear(32, 8), torch.randn(5, 32), golden.mxint(8, block_size=16)
    x[:, 3] = 40.0
    model = nn.Sequential(linear)
    recipe = {"by": "type", "linear": W8A8 | {"online_rotate": 32}}
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    quantize_module_transform_pass(model, recipe)

    def q(y: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(golden.quantize(y.numpy(), eight).dequantize()).float()

    expected = functional.linear(q(rotate(x, 32)), q(rotate(weight, 32)), bias)
    assert torch.equal(model(x), expected)
    plain = functional.linear(x, weight, bias)
    unrotated = functional.linear(q(x), q(weight), bias)
    assert (expected - plain).norm() < 0.7 * (unrotated - plain).norm()


def test_sizes_that_fit() -> None:
    assert rotation_size(48, None, "x") == 16
    assert rotation_size(48, 4, "x") == 4
    assert [rotation_size(576, size, "x") for size in (12, 48, 192, 576)] == [12, 48, 192, 576]


@pytest.mark.parametrize(
    ("length", "wanted", "nearest"),
    [
        (48, 3, "nearest: 2, 4"),
        (48, 32, "nearest: 24, 48"),
        (48, 1, "nearest: 2"),
        (21, None, "none fits"),
        (40, 16, "nearest: 8, 20"),
        (376, 188, "nearest: 8"),
    ],
)
def test_other_sizes_are_refused(length: int, wanted: int | None, nearest: str) -> None:
    size = (length & -length) if wanted is None else wanted
    with pytest.raises(
        FormatError,
        match=r"^here: online_rotate, or size in \[rotation\], must be a power of two or K \* 2\^r "
        rf"\(K = 12, 20, 28 … 172\) that divides the axis of {length} elements, got {size}; "
        rf"{nearest}$",
    ):
        rotation_size(length, wanted, "here")


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_recipe_with_such_a_size_replaces_nothing(numerics: str) -> None:
    model = nn.Sequential(nn.Linear(64, 48), nn.Linear(48, 8))
    recipe = {"by": "type", "linear": W8A8 | {"online_rotate": 32}}
    with pytest.raises(FormatError, match=r"module '1': online_rotate, or size in"):
        quantize_module_transform_pass(model, recipe, numerics=numerics)
    assert type(model[0]) is nn.Linear


CUDA = torch.device("cuda", 0)


@pytest.fixture
def kernel(monkeypatch):
    """A stand-in for the package, in float64, that notes what it was asked; rows, not a matrix."""
    asked = []

    def hadamard_transform(x, scale=1.0):
        asked.append((tuple(x.shape), x.dtype))
        wide, width = x.double(), 1
        while width < x.shape[-1]:
            pairs = wide.reshape(len(x), -1, 2, width)
            wide = torch.stack([pairs.sum(2), pairs[:, :, 0] - pairs[:, :, 1]], 2)
            width *= 2
        return (wide.reshape(x.shape) * scale).to(x.dtype)

    monkeypatch.setattr(hadamard, "_kernel", lambda: hadamard_transform)
    return asked


def test_the_kernel_is_for_cuda_where_it_is_installed(monkeypatch) -> None:
    monkeypatch.setattr(hadamard, "_kernel", lambda: None)
    assert rotation_path(CUDA) == MATRICES
    monkeypatch.setattr(hadamard, "_kernel", lambda: torch.neg)
    assert rotation_path(CUDA) == KERNEL
    assert rotation_path(torch.device("cpu")) == MATRICES


def test_on_the_cpu_an_online_rotation_is_the_matrix_product(kernel) -> None:
    x = torch.randn(5, 64)
    assert torch.equal(rotate_online(x, 16), rotate(x, 16))
    assert kernel == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [8, 32, 64])
def test_the_kernel_is_given_blocks_and_the_scale(size, dtype, kernel, monkeypatch) -> None:
    """The choice alone is tried here, with a stand-in; on a GPU see the test below."""
    monkeypatch.setattr(hadamard, "rotation_path", lambda _: KERNEL)
    x = torch.randn(2, 3, 64).to(dtype)
    torch.testing.assert_close(rotate_online(x, size), rotate(x, size))
    assert kernel == [((6 * 64 // size, size), dtype)]
    with pytest.raises(FormatError, match="cannot rotate rows of 64 elements in blocks of 128"):
        rotate_online(x, 128)


@pytest.mark.parametrize(
    ("size", "dtype"), [(4, torch.float32), (16, torch.float64), (48, torch.float32)]
)
def test_what_the_kernel_does_not_take_is_a_matrix_product(
    size, dtype, kernel, monkeypatch
) -> None:
    monkeypatch.setattr(hadamard, "rotation_path", lambda _: KERNEL)
    x = torch.randn(3, 2 * size, dtype=dtype)
    assert torch.equal(rotate_online(x, size), rotate(x, size))
    assert kernel == []


def test_activations_of_fake_numerics_take_it_and_nothing_else(kernel, monkeypatch) -> None:
    monkeypatch.setattr(hadamard, "rotation_path", lambda _: KERNEL)
    table = {**W8A8, "online_rotate": 16}
    for numerics, calls in (("exact", 0), ("fake", 1)):
        model, _ = quantize_module_transform_pass(
            nn.Sequential(nn.Linear(32, 8)), {"by": "type", "linear": table}, numerics=numerics
        )
        assert kernel == []  # weights are rotated by matrix products
        model(torch.randn(3, 32))
        assert len(kernel) == calls


@pytest.mark.skipif(rotation_path(CUDA) == MATRICES, reason="no fast-hadamard-transform")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [8, 64, 128, 4096])
def test_the_kernel_computes_the_same_rotation(size: int, dtype: torch.dtype) -> None:
    x = torch.randn(33, 4096, device="cuda", dtype=dtype)
    torch.testing.assert_close(rotate_online(x, size), rotate(x, size))
