"""The closed formulas that PLENA's authors publish figures by, with what they leave out.

They count no bandwidth of HBM, no output projection and no head, and take kv_heads * head_dim as
the inner size of the projections of keys and values. They are here so that figures can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...golden import FormatError
from ...golden.isa.machine import Machine
from .model_shape import ModelShape

Parts = dict[str, int]
"""Cycles of each part of a layer, over all layers."""


@dataclass(frozen=True, kw_only=True)
class Analytic:
    """Cycles of a prompt and of what is written behind it.

    Attributes:
        prefill: by parts; "embedding" is that of the prompt.
        first_token, decode: by parts: of the first token, and of all.
        batch, written: sequences, and tokens of each.
        clock_ghz: cycles a nanosecond.
    """

    prefill: Parts
    first_token: Parts
    decode: Parts
    batch: int
    written: int
    clock_ghz: float

    @property
    def first_token_ms(self) -> float:
        """Time to the first token."""
        cycles = sum(self.prefill.values()) + sum(self.first_token.values())
        return cycles / (self.clock_ghz * 1e6)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all sequences a second, while they are written."""
        seconds = sum(self.decode.values()) / (self.clock_ghz * 1e9)
        return self.batch * self.written / seconds


def analytic(
    shape: ModelShape,
    machine: Machine,
    *,
    batch: int,
    read: int,
    written: int,
    clock_ghz: float | None = None,
) -> Analytic:
    """Return what the formulas say.

    Args:
        shape: of the model.
        machine: MLEN = VLEN, BLEN, HLEN, rows of vector memory and of a prefetch.
        batch: sequences at once.
        read: tokens of a prompt.
        written: tokens behind it.
        clock_ghz: the machine's when None.

    Raises:
        FormatError: a size that is not positive, or a model narrower than a vector, of which the
            formulas make 0 cycles.
    """
    clock = machine.timing.clock_ghz if clock_ghz is None else clock_ghz
    for what, value in (("batch", batch), ("in", read), ("out", written), ("clock", clock)):
        if value <= 0:
            raise FormatError(f"plena-analytic: {what} = {value}; need a positive number")
    vlen = machine.hardware.vlen
    if shape.hidden < vlen:
        raise FormatError(
            f"plena-analytic: a model {shape.hidden} wide has no whole vector of {vlen} lanes, and "
            "norms and residual sums would cost nothing; take a machine with a VLEN up to that"
        )
    prefill = _layer(shape, machine, rows=read * batch, keys=read, prompt=(batch, read))
    chunks = _up(shape.hidden, vlen)
    parts = {name: shape.layers * cycles for name, cycles in prefill.items()}
    first: Parts = {}
    decode = dict.fromkeys(prefill, 0)
    for token in range(written):
        layer = _layer(shape, machine, rows=batch, keys=read + token, prompt=None)
        cycles = {name: 2 * shape.layers * each for name, each in layer.items()}
        first = first or cycles
        for name, each in cycles.items():
            decode[name] += each
    return Analytic(
        prefill={"embedding": 3 + read * batch * chunks, **parts},
        first_token=first,
        decode=decode,
        batch=batch,
        written=written,
        clock_ghz=clock,
    )


def _up(value: int, step: int) -> int:
    return -(-value // step)


def _layer(
    shape: ModelShape,
    machine: Machine,
    *,
    rows: int,
    keys: int,
    prompt: tuple[int, int] | None,
) -> Parts:
    """Return the cycles of one layer.

    Args:
        shape, machine: as in `analytic`.
        rows: of activations: tokens of all sequences.
        keys: of a sequence.
        prompt: sequences and tokens of each while they are read; None: one of each is written.
    """
    hw = machine.hardware
    vlen, blen = hw.vlen, hw.blen
    hidden, inner = shape.hidden, shape.kv_heads * shape.head_dim

    def product(k: int, n: int) -> int:
        return _up(rows, blen) * _up(k, hw.mlen) * _up(n, blen) * blen

    norm = 10 + hidden // vlen * 8 * rows
    projection = product(hidden, hidden) + 2 * product(inner, inner)
    projection += (shape.heads + shape.kv_heads) * _up(rows, vlen)
    projection += 2 * (rows * inner // (vlen * machine.prefetch_rows))
    residual = 4 * (hidden // vlen) * rows
    if prompt is not None:
        over = hidden * prompt[0] * prompt[1] - machine.memories.vector_rows * vlen
        spilled = 2 * (over // (machine.prefetch_rows * vlen)) if over > 0 else 0
        norm, projection, residual = norm + spilled, projection + spilled, residual + spilled
        attention = _read_attention(shape, machine, *prompt, keys=keys)
    else:
        attention = _write_attention(shape, machine, sequences=rows, keys=keys)
    mlp = 2 * product(hidden, shape.intermediate) + product(shape.intermediate, hidden)
    return {
        "norms": 2 * norm,
        "projections": projection,
        "attention": attention,
        "residual sums": residual,
        "mlp": mlp + _up(shape.intermediate, vlen) * 6 * rows,
    }


def _groups(shape: ModelShape, machine: Machine) -> tuple[int, int]:
    """Return queries of a key's head, and the products that they take."""
    queries = shape.heads // shape.kv_heads
    return queries, _up(queries, machine.hardware.mlen // machine.hardware.hlen)


def _read_attention(
    shape: ModelShape, machine: Machine, batch: int, tokens: int, *, keys: int
) -> int:
    hw = machine.hardware
    queries, products = _groups(shape, machine)
    tile = min(hw.mlen, keys)
    blocks = _up(tile, hw.blen) * hw.blen
    scores = (5 + _up(min(tokens, hw.mlen), hw.blen) * blocks) * products
    softmax = tile * 7 * queries
    values = 4 + _up(shape.head_dim, hw.blen) * blocks * queries
    rescaled = tile * 6 * queries
    tiles = _up(tokens, hw.mlen) * _up(keys, hw.mlen) * shape.kv_heads * batch
    return tiles * (scores + softmax + values + rescaled)


def _write_attention(shape: ModelShape, machine: Machine, *, sequences: int, keys: int) -> int:
    hw = machine.hardware
    queries, products = _groups(shape, machine)
    row = 1 + hw.blen
    scores = (row + 1) * products
    softmax = 7 * queries
    values = _up(shape.head_dim, hw.blen) * row * queries
    rescaled = 3 * queries
    tiles = _up(keys, hw.mlen) * shape.kv_heads * sequences
    return tiles * (scores + softmax + values + rescaled)
