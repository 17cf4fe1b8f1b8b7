"""A small machine for programs."""

from __future__ import annotations

import pytest

from plena_cosim import golden
from plena_cosim.golden.isa.machine import Machine, Memories

MX = {name: golden.get_format(name, block_size=8) for name in ("mxint4", "mxint8", "mxint16")}


@pytest.fixture
def machine() -> Machine:
    """Rows of 16 lanes, tiles of 16 x 16, of which four are held, products of 4 x 4."""
    return Machine(
        hardware=golden.HardwareConfig(mlen=16, vlen=16, blen=4, hlen=8),
        weight=MX["mxint4"],
        activation=MX["mxint8"],
        kv=MX["mxint8"],
        own=(MX["mxint16"],),
        memories=Memories(vector_rows=256, matrix_tiles=4, hbm_bytes=1 << 20),
    )
