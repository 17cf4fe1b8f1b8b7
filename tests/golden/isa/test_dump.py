"""Parts of a state as people read them."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import FormatError
from plena_cosim.golden.isa.dump import dumped


@pytest.fixture
def state(finished):
    values = golden.encode([1.5, -2.0, 0.25, *[0.0] * 13], golden.get_format("bf16"))
    return finished(
        """
        S_ADDI_INT gp1, gp0, 7
        S_ST_INT gp1, gp0, 3
        C_SET_ADDR_REG a2, gp1, gp1
        H_PREFETCH_M gp0, gp0, a0, 0, 0
        S_ADDI_INT gp2, gp0, 256
        H_PREFETCH_M gp2, gp0, a0, 2 * 3, 8 + 2
        V_RED_SUM f1, gp0
        """,
        [values],
        hbm=np.arange(40, dtype=np.uint8),
    )


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        ("gp:1", ["gp1  7"]),
        ("gp:0-2", ["gp0  0", "gp1  7", "gp2  256"]),
        ("a:2", [f"a2  {7 * 2**32 + 7}"]),
        ("f:1", ["f1  -0.25  (0xbe800000)"]),
        ("int:2-3", ["int 2  0", "int 3  7"]),
        ("fp:63", ["fp 63  0"]),
        ("vector:0", ["row 0  1.5 -2 0.25" + " 0" * 13]),
        ("hbm:0x3-0x12", ["0x00000003  " + " ".join(f"{i:02x}" for i in range(3, 19))]),
        ("hbm:0x1-0x11", ["0x00000001  " + bytes(range(1, 17)).hex(" "), "0x00000011  11"]),
        ("tile:3", ["tile 3  was not written"]),
    ],
)  # fmt: skip
def test_parts(state, machine, what: str, lines: list[str]) -> None:
    assert list(dumped(what, state, machine)) == lines


def test_registers_without_a_range(state, machine) -> None:
    assert len(list(dumped("gp", state, machine))) == 16
    assert len(list(dumped("f", state, machine))) == 8


def test_tiles_are_values(state, machine) -> None:
    along, *rows = dumped("tile:0", state, machine)
    assert along == "tile 0  mxint4, blocks along rows"
    assert len(rows) == 16
    down, *rows = dumped("tile:1", state, machine)
    assert down == "tile 1  mxint16, blocks down columns"
    assert len(rows) == 16


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("foo", "cannot show 'foo'; need one of gp, f, a, vector"),
        ("vector", "cannot show all of vector; say which, such as vector:0-3"),
        ("vector:64", "cannot show 'vector:64'; there are 0 to 63"),
        ("vector:3-2", "cannot show 'vector:3-2'"),
        ("gp:x", "'x' is no range of numbers"),
        ("gp:1-", "cannot show 'gp:1-'"),
    ],
)
def test_parts_that_are_not_there(state, machine, what: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        list(dumped(what, state, machine))
    assert message in str(caught.value)
