"""A backend computes the operations of the thread that put it there, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from plena_cosim import fakequant, golden
from plena_cosim.fakequant.backend import backend, computed_by, part, part_of

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")


class Noting:
    """A backend that lets torch compute and notes what it was asked for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def compute(self, exact: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        assert backend() is None
        self.seen.append((exact.__name__, part()))
        return exact(*args, **kwargs)


def test_every_operation_goes_to_the_backend_once() -> None:
    x, noting = torch.tensor([[1.0, 2.0]]), Noting()
    mx = golden.get_format("mxint4", block_size=2)
    with computed_by(noting):
        fakequant.reduce_sum(x, 1, 0.0, BF16, FP32)  # calls reduce_rows, which is torch's
        with part_of("rope"):
            fakequant.mul(x, x, BF16)
        q = fakequant.quantize_mx(x, mx)
        fakequant.matmul(q, q.mT, golden.HardwareConfig())
    fakequant.add(x, x, BF16)
    assert noting.seen == [
        ("reduce_sum", ""),
        ("mul", "rope"),
        ("quantize_mx", ""),
        ("matmul", ""),
    ]
    assert backend() is None


def test_an_error_puts_torch_back() -> None:
    with pytest.raises(golden.FormatError), computed_by(Noting()):
        fakequant.add(torch.tensor([1]), 1.0, BF16)
    assert backend() is None


def test_another_thread_is_left_alone() -> None:
    noting, found = Noting(), []
    with computed_by(noting):
        other = threading.Thread(target=lambda: found.append(backend()))
        other.start()
        other.join()
    assert found == [None]
