"""A roofline: what a model takes where each part runs as fast as its scarcest resource lets it.

Four resources: multiply-accumulates of the matrix unit, lanes of the vector unit, rows of vector
memory that are read or written, and bytes of HBM. A part takes as long as the scarcest of them;
parts follow each other. It counts all matrices, the head too, keys and values, scales, and what of
the residual stream the vector memory cannot hold; it counts no latency, no start of a unit, and
nothing else that has to be moved twice. So no machine of these sizes that does one part after the
other is quicker.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil

from ...golden import FormatError, Mx
from ...golden.isa.machine import Machine, Type
from ...golden.isa.transfer import width_bits
from .model_shape import ModelShape

RESOURCES = {
    "macs": "matrix unit",
    "lanes": "vector unit",
    "rows": "vector memory",
    "hbm": "HBM",
}
"""What may be scarce, and what it is called."""


SPILLS = "spills"
"""The part that is the residual stream's, where the vector memory does not hold it."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Cycles of a part by each resource alone.

    Attributes:
        macs: of the matrix unit.
        lanes: of the vector unit, VLEN lanes a cycle.
        rows: of vector memory, a row read and a row written a cycle.
        hbm: of HBM.
    """

    macs: float = 0.0
    lanes: float = 0.0
    rows: float = 0.0
    hbm: float = 0.0

    @property
    def cycles(self) -> float:
        """Cycles of the scarcest."""
        return max(self.macs, self.lanes, self.rows, self.hbm)

    @property
    def scarcest(self) -> str:
        """Name of the scarcest, in words; "" of no work."""
        if not self.cycles:
            return ""
        return RESOURCES[max(RESOURCES, key=lambda name: getattr(self, name))]

    def __add__(self, other: Work) -> Work:
        """Return both."""
        return Work(
            **{
                each.name: getattr(self, each.name) + getattr(other, each.name)
                for each in fields(self)
            }
        )


Parts = dict[str, Work]


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What a prompt takes, and what is written behind it.

    Attributes:
        prefill: by parts, over all layers.
        decode: by parts, of all tokens that are written.
        batch, written: sequences, and tokens of each.
        clock_ghz: cycles a nanosecond.
    """

    prefill: Parts
    decode: Parts
    batch: int
    written: int
    clock_ghz: float

    @property
    def first_token_ms(self) -> float:
        """Time to the first token: the prompt with its head."""
        return sum(each.cycles for each in self.prefill.values()) / (self.clock_ghz * 1e6)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all sequences a second, while they are written."""
        cycles = sum(each.cycles for each in self.decode.values())
        return self.batch * self.written / (cycles / (self.clock_ghz * 1e9))


def roofline(
    shape: ModelShape,
    machine: Machine,
    *,
    batch: int,
    read: int,
    written: int,
    clock_ghz: float | None = None,
    bandwidth_gb_s: float | None = None,
    macs: int | None = None,
) -> Roofline:
    """Return the least that a model takes.

    Args:
        shape: of the model.
        machine: BLEN, VLEN, rows of vector memory, types of weights, cache and vectors, timing.
        batch: sequences at once.
        read: tokens of a prompt.
        written: tokens behind it.
        clock_ghz: the machine's when None.
        bandwidth_gb_s: of HBM, 10^9 bytes a second; the machine's when None.
        macs: multiply-accumulates that the matrix unit does a cycle; the machine's when None, and
            MLEN x BLEN where that says nothing, as PLENA's published formulas have it. The matrix
            unit of this project does BLEN x BLEN.

    Raises:
        FormatError: a size that is not positive.
    """
    timing = machine.timing
    clock = timing.clock_ghz if clock_ghz is None else clock_ghz
    bandwidth = timing.hbm_gb_s if bandwidth_gb_s is None else bandwidth_gb_s
    peak = peak_macs(machine) if macs is None else macs
    given = {"batch": batch, "in": read, "out": written, "clock": clock}
    for what, value in {**given, "bandwidth": bandwidth, "macs": peak}.items():
        if value <= 0:
            raise FormatError(f"roofline: {what} = {value}; need a positive number")
    rates = peak, bandwidth / clock
    prefill = _pass(shape, machine, batch, read, read * (read + 1) // 2, rates, cached=0)
    decode: Parts = {}
    for token in range(written):
        keys = read + token + 1
        one = _pass(shape, machine, batch, 1, keys, rates, cached=keys - 1)
        decode = {name: decode.get(name, Work()) + work for name, work in one.items()}
    # A part's resources add up over tokens; which is the scarcest is decided of the sum.
    return Roofline(prefill=prefill, decode=decode, batch=batch, written=written, clock_ghz=clock)


def peak_macs(machine: Machine) -> int:
    """Return the multiply-accumulates a cycle of a machine: as it says, or MLEN x BLEN."""
    hw = machine.hardware
    return machine.timing.macs or hw.mlen * hw.blen


def bits(type_: Type) -> float:
    """Return the bits of an element, its share of a scale included."""
    share = type_.scale_bits / type_.block_size if isinstance(type_, Mx) else 0.0
    return width_bits(type_) + share


def _pass(
    shape: ModelShape,
    machine: Machine,
    batch: int,
    tokens: int,
    pairs: int,
    rates: tuple[int, float],
    *,
    cached: int,
) -> Parts:
    """Return what one pass over all layers takes.

    Args:
        shape, machine: as in `roofline`.
        batch: sequences.
        tokens: of each that are new.
        pairs: of a query and a key that it sees, of each sequence.
        rates: multiply-accumulates and bytes of HBM a cycle.
        cached: tokens of each whose keys and values are read.
    """
    hw, rows = machine.hardware, batch * tokens
    (peak, per_cycle), weight, kv = rates, bits(machine.weight), bits(machine.kv)
    hidden, inner = shape.hidden, shape.kv_heads * shape.head_dim
    queries = shape.heads * shape.head_dim

    def product(k: int, n: int, of: int = rows) -> Work:
        return Work(macs=of * k * n / peak, hbm=k * n * weight / 8 / per_cycle)

    def passes(width: int, one: int, two: int) -> Work:
        """Return what so many operations of one row, and of two, on rows of a width take."""
        vectors = rows * -(-width // hw.vlen)
        return Work(lanes=vectors * (one + two), rows=vectors * (one + 2 * two))

    seen = batch * pairs * shape.heads
    per_layer: Parts = {
        "norms": passes(hidden, 4, 4),  # square, sum, times root, times gain; twice
        "projections": product(hidden, queries)
        + product(hidden, inner)
        + product(hidden, inner)
        + product(queries, hidden),
        "rope": passes(queries + inner, 1, 3),
        "attention": Work(
            macs=2 * seen * shape.head_dim / peak,
            lanes=7 * seen / hw.vlen,  # scale, mask, max, minus, exp, sum, times
            rows=8 * seen / hw.vlen,
            hbm=2 * batch * (cached + tokens) * inner * kv / 8 / per_cycle,
        ),
        "residual sums": passes(hidden, 0, 2),
        "mlp": product(hidden, shape.intermediate)
        + product(hidden, shape.intermediate)
        + product(shape.intermediate, hidden)
        + passes(shape.intermediate, 4, 2),
    }
    found = {
        name: Work(**{each: getattr(work, each) * shape.layers for each in RESOURCES})
        for name, work in per_layer.items()
    }
    vector = bits(hw.vector_format)
    matrices = found["projections"].hbm + found["mlp"].hbm
    found[SPILLS] = Work(hbm=_spills(shape, machine, rows, per_cycle, matrices))
    found["embedding"] = Work(hbm=rows * hidden * vector / 8 / per_cycle)
    found["head"] = product(hidden, shape.vocabulary, batch)
    return found


def _spills(
    shape: ModelShape, machine: Machine, rows: int, per_cycle: float, matrices: float
) -> float:
    """Return the cycles of HBM of what the vector memory cannot hold of the residual stream.

    While matrices are read once, a layer's output waits for all tokens: what is over goes out and
    comes back once a layer. Or as many tokens as fit go through all layers, and the matrices are
    read for each such group. Anything between the two costs more than the cheaper of them.
    """
    vlen, vector = machine.hardware.vlen, bits(machine.hardware.vector_format) / 8
    stream = rows * shape.hidden * vector / per_cycle
    room = machine.memories.vector_rows * vlen * vector / per_cycle
    if stream <= room:
        return 0.0
    return min(2 * (stream - room) * shape.layers, (ceil(stream / room) - 1) * matrices)
