"""Rotations of every size as a sequence of blocks; golden stands in for the gates of each one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from plena_cosim import golden
from plena_cosim.cosim.block_operations import BlockOperations
from plena_cosim.golden.hadamard_sizes import hadamard_orders


class GoldenBlocks:
    """The `run` of MachineBlocks for what a rotation is made of."""

    def run(self, name: str, beats: dict[str, Any], *, fmt: golden.Minifloat) -> Any:
        function = {"fp_add": golden.ops.add, "fp_sub": golden.ops.sub, "fp_mul": golden.ops.mul}
        return function[name](beats["a"], beats["b"], fmt)


@pytest.mark.parametrize("fmt", ["bf16", "e6m5", "e5m2fnuz"])
@pytest.mark.parametrize("size", [None, 8, 48, 92, *hadamard_orders()[1:4]])
@pytest.mark.parametrize("inverse", [False, True])
def test_the_sequence_has_goldens_bits(fmt: str, size: int | None, inverse: bool) -> None:
    vector = golden.get_format(fmt)
    values = np.random.default_rng(1).normal(size=(2, 3, 2 * (size or 48)))
    codes = golden.encode(values, vector)
    operations = BlockOperations(GoldenBlocks(), golden.HardwareConfig())
    x = torch.from_numpy(golden.decode(codes, vector)).float()
    answer = operations.hadamard(x, vector, block=size, inverse=inverse)
    expected = golden.ops.hadamard(codes, vector, block=size, inverse=inverse)
    np.testing.assert_array_equal(answer.codes, expected)


def test_a_size_without_a_matrix_is_refused() -> None:
    operations = BlockOperations(GoldenBlocks(), golden.HardwareConfig())
    with pytest.raises(golden.FormatError, match=r"got 188; nearest: 8$"):
        operations.hadamard(torch.zeros(1, 376), "bf16", block=188)
