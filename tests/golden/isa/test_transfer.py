"""Rows in HBM, against bits that were laid out one by one."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden.isa.transfer import Rows, pack, unpack
from plena_cosim.golden.isa.trap import Cause, TrapError


@pytest.mark.parametrize("width", [2, 4, 5, 6, 8, 12, 16])
def test_packing(width: int) -> None:
    codes = np.random.default_rng(width).integers(0, 1 << width, 16)
    number = sum(int(code) << (width * i) for i, code in enumerate(codes))
    data = pack(codes, width)
    assert data.tobytes() == number.to_bytes(16 * width // 8, "little")
    assert (unpack(data, width) == codes).all()


def rows(**changes):
    mx = golden.get_format("mxint4", block_size=8)
    given = {"columns": 16, "count": 2, "base": 100, "offset": 8, "step": 16, "scale": 500}
    return Rows(changes.pop("type_", mx), size=changes.pop("size", 1000), **(given | changes))


def test_scales_lie_apart() -> None:
    hbm = np.arange(1000).astype(np.uint8)
    place = rows()
    assert (place.starts, place.scale_starts) == ([108, 124], [602, 606])
    codes, scales = place.read(hbm)
    assert scales.tolist() == [[602 % 256, 603 % 256], [606 % 256, 607 % 256]]
    assert codes[0, :4].tolist() == [108 % 16, 108 // 16, 109 % 16, 109 // 16]
    written = place.written(codes, scales)
    assert [address for address, _ in written] == [108, 602, 124, 606]
    for address, data in written:
        assert (hbm[address : address + len(data)] == data).all()


def test_rows_without_a_stride_lie_one_behind_the_other() -> None:
    assert rows(step=None).starts == [108, 116]
    assert rows(step=None, type_=golden.get_format("bf16")).starts == [108, 140]


@pytest.mark.parametrize(
    ("changes", "cause", "message"),
    [
        ({"offset": 6}, Cause.MISALIGNED, "offset 6 is no multiple of 4, the bytes of a block"),
        ({"step": 18}, Cause.MISALIGNED, "STRIDE 18 is no multiple of 4"),
        ({"size": 131}, Cause.RANGE, "rows at bytes 124 to 131 of HBM, which has 131"),
        ({"size": 607}, Cause.RANGE, "scales at bytes 606 to 607 of HBM, which has 607"),
        ({"base": 1 << 40}, Cause.RANGE, "rows at bytes"),
    ],
)
def test_rows_that_cannot_be(changes, cause, message) -> None:
    with pytest.raises(TrapError, match=message) as caught:
        rows(**changes)
    assert caught.value.cause is cause


def test_the_last_byte_is_there() -> None:
    rows(size=608)
    rows(size=132, type_=golden.get_format("e4m3"), step=8)
