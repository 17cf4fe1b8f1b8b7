"""Programs run on a small machine, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden.isa import assemble, get_revision
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.machine import Machine, Memories

MX = {name: golden.get_format(name, block_size=8) for name in ("mxint4", "mxint8", "mxint16")}


@pytest.fixture
def machine() -> Machine:
    """Rows of 16 lanes, tiles of 16 x 16, products of 4 x 4, heads of 8."""
    return Machine(
        hardware=golden.HardwareConfig(mlen=16, vlen=16, blen=4, hlen=8),
        weight=MX["mxint4"],
        activation=MX["mxint8"],
        kv=MX["mxint8"],
        own=(MX["mxint16"],),
        memories=Memories(
            vector_rows=64, matrix_tiles=4, int_words=32, fp_words=64, hbm_bytes=1 << 16
        ),
    )


@pytest.fixture
def started(machine):
    """Return a function that makes an interpreter of assembly, with rows of V already there."""

    def start(text: str, rows=(), *, hbm=None, revision: str = "plena", machine=machine):
        table = get_revision(revision)
        words = assemble(text, table).words
        made = Interpreter(machine, words, revision=table, hbm=hbm)
        for number, row in enumerate(rows):
            made.state.vector[number] = row
        return made

    return start


@pytest.fixture
def finished(started):
    """Return a function that runs assembly to its C_BREAK and gives the state."""

    def run(text: str, rows=(), *, fps=(), **given):
        made = started(f"{text}\nC_BREAK", rows, **given)
        made.state.fps[: len(fps)] = fps
        for _ in made.run(most=100_000):
            pass
        assert made.state.halted
        return made.state

    return run


def some_rows(count: int, seed: int = 0, size: float = 2.0) -> np.ndarray:
    """Return rows of bf16 codes, (count, 16)."""
    draw = np.random.default_rng(seed)
    return golden.encode(draw.normal(0, size, (count, 16)), golden.get_format("bf16"))
