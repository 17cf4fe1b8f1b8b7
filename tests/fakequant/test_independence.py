"""No operation's result depends on the batch, the layout in memory, the pieces or the threads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from plena_cosim.fakequant import pieces

from .operations import BF16, OPERATIONS, SHAPE
from .samples import usual_codes, values

over_operations = pytest.mark.parametrize("name", OPERATIONS)


def same(a: Tensor, b: Tensor) -> bool:
    a, b = a.double().nan_to_num(nan=0.3), b.double().nan_to_num(nan=0.3)
    return torch.equal(a.view(torch.int64), b.contiguous().view(torch.int64))


@pytest.fixture(params=[0.0, 0.01], ids=["finite", "specials"])
def x(request: pytest.FixtureRequest) -> Tensor:
    return values(usual_codes(BF16, SHAPE, 3, specials=request.param), BF16)


@over_operations
def test_batch(name: str, x: Tensor) -> None:
    operation = OPERATIONS[name]
    alone = torch.stack([operation(row) for row in x])
    assert same(operation(x), alone)


@over_operations
def test_layout(name: str, x: Tensor) -> None:
    operation = OPERATIONS[name]
    transposed = x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    strided = torch.stack([x, x], -1)[..., 0]
    for view in (transposed, strided):
        assert not view.is_contiguous()
        assert same(operation(view), operation(x))


@over_operations
def test_threads_and_pieces(name: str, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = OPERATIONS[name]
    many = x.repeat(90, 1, 1)  # so much that torch shares it out
    whole = operation(many)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        assert same(operation(many), whole)
    torch.set_num_threads(1)
    for limit in (100, 1000):
        monkeypatch.setattr(pieces, "_PIECE_VALUES", limit)
        assert same(operation(x), whole[:7])


@over_operations
def test_the_operand_stays(name: str, x: Tensor) -> None:
    before = x.clone()
    OPERATIONS[name](x)
    assert same(x, before)
