"""Tensors in HBM."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.programs import Image

from .conftest import MX

OTHER = golden.get_format("mxint8", block_size=4)


def test_a_matrix_comes_back(machine) -> None:
    image, codes = Image(machine), np.arange(5 * 20).reshape(5, 20).astype(np.uint16)
    other = image.matrix("a", np.ones((1, 1), np.uint16), (1, 1))
    tensor = image.matrix("b", codes, (5, 20))
    assert (tensor.stored_rows, tensor.stored_columns, tensor.row_bytes) == (8, 32, 64)
    assert tensor.base >= other.base + other.size
    assert tensor.base % 64 == 0
    memory = image.bytes()
    assert (image.read(tensor, memory) == codes).all()
    raw = memory[tensor.base : tensor.base + tensor.size].view("<u2").reshape(8, 32)
    assert (raw[:5, :20] == codes).all()
    assert raw.sum() == codes.sum()


def test_a_weight_lies_by_rows_with_its_scales_behind(machine) -> None:
    image = Image(machine)
    w = golden.quantize(np.random.default_rng(0).normal(size=(5, 20)), MX["mxint4"])
    tensor = image.weight("w", w)
    assert (tensor.stored_rows, tensor.stored_columns, tensor.row_bytes) == (16, 32, 16)
    memory = image.bytes()
    rows = memory[tensor.base :][: 16 * 16].reshape(16, 16)
    assert ((rows[:5] & 15)[:, :10] == w.codes[:, ::2]).all()
    assert ((rows[:5] >> 4)[:, :10] == w.codes[:, 1::2]).all()
    scales = memory[tensor.base + tensor.scale :][: 16 * 4].reshape(16, 4)
    assert (scales[:5, :3] == w.scales).all()
    assert scales.sum() == w.scales.sum()


def test_what_has_no_place(machine) -> None:
    image = Image(machine)
    image.matrix("a", None, (4, 16))
    with pytest.raises(FormatError, match="two tensors are named 'a'"):
        image.matrix("a", None, (4, 16))
    with pytest.raises(FormatError, match=r"b ends at byte .* of HBM, which has 1048576"):
        image.matrix("b", None, (1 << 16, 16))
    assert image.end == 4 * 16 * 2
    for wrong, message in (
        (golden.quantize(np.ones((16, 16)), OTHER), "no type mxint8 in blocks of 4 for a weight"),
        (golden.quantize(np.ones((16, 16)), MX["mxint4"], axis=0), "blocks along the inputs; got"),
    ):
        with pytest.raises(FormatError, match=message):
            image.weight("w", wrong)


def test_a_cache_has_a_transfer_behind_whole_tiles(machine) -> None:
    image = Image(machine)
    cache = image.cache("k", (17, 20), machine.kv)
    assert (cache.stored_rows, cache.stored_columns, cache.number) == (32 + 4, 32, 1)
    # A row's scales are where SCALE says, counted from that row.
    ratio = 8
    for row in (0, 5):
        wanted = cache.base + cache.scale + row * cache.row_bytes // ratio
        assert cache.row_base(row) + cache.row_scale(row) == wanted
    with pytest.raises(FormatError, match="no type mxint4 in blocks of 8 for a cache"):
        image.cache("v", (1, 1), MX["mxint4"])
