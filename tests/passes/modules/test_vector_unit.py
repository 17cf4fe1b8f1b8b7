"""Within a vector unit each sum, difference and product of tensors is rounded once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from plena_cosim import golden
from plena_cosim.golden import ops
from plena_cosim.passes.modules.vector_unit import VectorUnit

BF16 = golden.get_format("bf16")
STEPS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[..., object]]] = {
    "a + b": (lambda a, b: a + b, ops.add),
    "a.add(b)": (lambda a, b: a.add(b), ops.add),
    "torch.add": (torch.add, ops.add),
    "a - b": (lambda a, b: a - b, ops.sub),
    "a.sub(b)": (lambda a, b: a.sub(b), ops.sub),
    "torch.sub": (torch.sub, ops.sub),
    "b.__rsub__(a)": (lambda a, b: b.__rsub__(a), ops.sub),
    "a * b": (lambda a, b: a * b, ops.mul),
    "a.mul(b)": (lambda a, b: a.mul(b), ops.mul),
    "torch.mul": (torch.mul, ops.mul),
}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_goldens(step: str) -> None:
    torch_step, golden_step = STEPS[step]
    a, b = torch.randn(2, 500).bfloat16().float()
    with VectorUnit(BF16):
        found = torch_step(a, b)
    codes = golden_step(golden.encode(a.numpy(), BF16), golden.encode(b.numpy(), BF16), BF16)
    assert golden.decode(codes, BF16).tolist() == found.tolist()
    assert not torch.equal(found, torch_step(a, b))


def test_a_complex_product_is_four_products_a_difference_and_a_sum() -> None:
    parts = torch.randn(4, 500).bfloat16().float()
    with VectorUnit(BF16):
        found = torch.complex(parts[0], parts[1]) * torch.complex(parts[2], parts[3])
    a, b, c, d = (golden.encode(part.numpy(), BF16) for part in parts)
    real = ops.sub(ops.mul(a, c, BF16), ops.mul(b, d, BF16), BF16)
    imag = ops.add(ops.mul(a, d, BF16), ops.mul(b, c, BF16), BF16)
    assert golden.decode(real, BF16).tolist() == found.real.tolist()
    assert golden.decode(imag, BF16).tolist() == found.imag.tolist()


def test_moving_elements_about_is_left_alone() -> None:
    x = torch.tensor([1.0, 1 + 2.0**-20])
    with VectorUnit(BF16):
        assert torch.cat([-x[1:], x[:1]]).tolist() == [-1 - 2.0**-20, 1.0]


def test_it_ends_with_its_block() -> None:
    x = torch.tensor([1 + 2.0**-20])
    with VectorUnit(BF16):
        assert (x * x).item() == 1.0
    assert (x * x).item() != 1.0
