"""What a model takes by this project's own programs, as PLENA's emulator charges their words.

A program is of one sequence, so that several take their time one after the other. A layer's
program is written without weights and counted once for all layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from ...golden import FormatError, Mx
from ...golden.isa.machine import KV, Machine
from ..attention import Heads, Mask, Operands
from ..builder import Builder
from ..by_rows import rms_norm
from ..decoder_layer import Between, Layer, Linear, Norm, Tables, decoder_layer
from ..embedding import embedding
from ..image import Image, Tensor
from ..linear import linear
from .emulator import charged
from .model_shape import ModelShape

_PARTS = {
    "norms": ("input norm", "norm before the MLP"),
    "projections": ("q", "k", "v", "o"),
    "rope": ("rope of q", "rope of k"),
    "attention": ("cache", "attention"),
    "residual sums": ("residual sum", "residual sum behind the MLP"),
    "mlp": ("gate", "up", "SwiGLU", "down"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
_LENGTHS = 5
"""Numbers of key tiles at which tokens are counted; between them a straight line."""
_EPS = 1e-5
_ROOM = 1 << 48

Parts = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class OfPrograms:
    """Cycles of a prompt and of what is written behind it.

    Attributes:
        prefill: by parts, over all layers and sequences, with the head of the last token.
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
        return sum(self.prefill.values()) / (self.clock_ghz * 1e6)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all sequences a second, while they are written."""
        seconds = sum(self.decode.values()) / (self.clock_ghz * 1e9)
        return self.batch * self.written / seconds


def of_programs(
    shape: ModelShape,
    machine: Machine,
    *,
    batch: int,
    read: int,
    written: int,
    clock_ghz: float | None = None,
    bandwidth_gb_s: float | None = None,
    vendor: bool | None = None,
    overhead: int | None = None,
) -> OfPrograms:
    """Return what the programs of a model take.

    Args:
        shape: of the model.
        machine: sizes, memories, types and timing; HBM is taken as large as it needs to be.
        batch: sequences, one after the other.
        read: tokens of a prompt.
        written: tokens behind it.
        clock_ghz, bandwidth_gb_s: the machine's when None.
        vendor, overhead: see `emulator`.

    Raises:
        FormatError: a size that is not positive, or a model that has no program on the machine.
    """
    for what, value in (("batch", batch), ("in", read), ("out", written)):
        if value <= 0:
            raise FormatError(f"programs: {what} = {value}; need a positive number")
    timing = machine.timing
    clock = timing.clock_ghz if clock_ghz is None else clock_ghz
    bandwidth = timing.hbm_gb_s if bandwidth_gb_s is None else bandwidth_gb_s
    if clock <= 0 or bandwidth <= 0:
        raise FormatError(f"programs: clock {clock:g}, bandwidth {bandwidth:g}; need more than 0")
    memories = replace(machine.memories, hbm_bytes=_ROOM, program_words=_ROOM)
    plan = _Plan(shape, replace(machine, memories=memories), bandwidth / clock, vendor, overhead)
    prefill = plan.all_of(new=read, start=0)
    mlen = machine.hardware.mlen
    first, last = ceil((read + 1) / mlen), ceil((read + written) / mlen)
    steps = min(_LENGTHS - 1, last - first)
    known = sorted({first + (last - first) * at // max(steps, 1) for at in range(steps + 1)})
    counted = {tiles: plan.all_of(new=1, start=tiles * mlen - 1) for tiles in known}
    decode: defaultdict[str, float] = defaultdict(float)
    for tiles in range(first, last + 1):
        tokens = min(tiles * mlen, read + written) - max((tiles - 1) * mlen, read)
        for name, cycles in _between(counted, tiles).items():
            decode[name] += tokens * cycles
    return OfPrograms(
        prefill={name: batch * cycles for name, cycles in prefill.items()},
        decode={name: batch * cycles for name, cycles in decode.items()},
        batch=batch,
        written=written,
        clock_ghz=clock,
    )


def _between(counted: dict[int, Parts], tiles: int) -> Parts:
    """Return the parts at a number of tiles, on straight lines between those that were counted."""
    below = max(known for known in counted if known <= tiles)
    above = min(known for known in counted if known >= tiles)
    share = (tiles - below) / (above - below) if above > below else 0.0
    low, high = counted[below], counted[above]
    return {name: low[name] + share * (high[name] - low[name]) for name in low}


@dataclass(frozen=True)
class _Plan:
    shape: ModelShape
    machine: Machine
    per_cycle: float
    vendor: bool | None
    overhead: int | None

    def all_of(self, *, new: int, start: int) -> Parts:
        """Return the cycles of a pass over `new` tokens behind `start` others."""
        layer = self._layer(new, start)
        found = {name: self.shape.layers * layer[name] for name in _PARTS}
        found["embedding"] = self._one("embedding", new)
        found["head"] = self._one("head", 1)
        return found

    def _layer(self, new: int, start: int) -> Parts:
        b, shape = Builder(self.machine), self.shape
        image, vlen = b.image, self.machine.hardware.vlen
        heads = Heads(query=shape.heads, key=shape.kv_heads, size=shape.head_dim)
        wide, hidden = heads.padded(vlen), shape.hidden
        queries, keys, inner = heads.query * wide, heads.key * wide, shape.intermediate
        sizes = {"q": (queries, hidden), "k": (keys, hidden), "v": (keys, hidden)}
        sizes |= {"o": (hidden, queries), "gate": (inner, hidden), "up": (inner, hidden)}
        sizes |= {"down": (hidden, inner)}
        linears = {name: Linear(weight=self._weight(image, name, s)) for name, s in sizes.items()}
        cached = start + new, keys
        layer = Layer(
            **linears,  # type: ignore[arg-type]
            before=Norm(gain=image.matrix("before", None, (1, hidden)), eps=_EPS),
            between=Norm(gain=image.matrix("between", None, (1, hidden)), eps=_EPS),
            heads=heads,
            types=Operands(scores=KV, outputs=KV),
            scale=shape.head_dim**-0.5,
            keys=image.cache("keys", cached, self.machine.kv),
            values=image.cache("values", cached, self.machine.kv),
        )
        tables = Tables(
            cos=image.matrix("cos", None, (new, wide)),
            sin=image.matrix("sin", None, (new, wide)),
            mask=self._mask(image, new, start),
            start=start,
        )
        x = image.matrix("x", None, (new, hidden))
        decoder_layer(b, layer, x, tables, Between(image, "between", new, layer))
        return self._cycles(b)

    def _mask(self, image: Image, new: int, start: int) -> Mask:
        """Return a causal mask without its values."""
        hw, step = self.machine.hardware, self.machine.prefetch_rows
        shape = ceil(new / step) * step, ceil((start + new) / hw.mlen) * hw.mlen
        keep = None if hw.vector_format.has_inf else image.matrix("mask keep", None, shape)
        seen = [start + row + 1 if row < new else 1 for row in range(shape[0])]
        return Mask(low=image.matrix("mask", None, shape), keep=keep, keys=tuple(seen))

    def _weight(self, image: Image, name: str, size: tuple[int, int]) -> Tensor:
        weight = self.machine.weight
        assert isinstance(weight, Mx)  # a machine has no other
        return image.weight_room(name, size, weight)

    def _one(self, what: str, rows: int) -> float:
        """Return the cycles of the embedding of some tokens, or of the head."""
        b, shape = Builder(self.machine), self.shape
        x = b.image.matrix("x", None, (rows, shape.hidden))
        if what == "embedding":
            table = b.image.matrix("table", None, (shape.vocabulary, shape.hidden))
            embedding(b, table, [0] * rows, x)
        else:
            normed = b.image.matrix("normed", None, (rows, shape.hidden))
            rms_norm(b, x, b.image.matrix("gain", None, (1, shape.hidden)), _EPS, normed)
            w = self._weight(b.image, "head", (shape.vocabulary, shape.hidden))
            linear(b, normed, w, b.image.matrix("y", None, (rows, shape.vocabulary)))
        return sum(self._cycles(b).values())

    def _cycles(self, b: Builder) -> Parts:
        """Return a program's cycles by parts; those of one without parts are those of ""."""
        program = b.program()
        parts = _parts_of_lines(b.text.splitlines())
        charges = charged(program.words, self.machine, vendor=self.vendor, overhead=self.overhead)
        found: defaultdict[str, float] = defaultdict(float)
        for line, each in zip(program.lines, charges, strict=True):
            found[parts[line - 1]] += each.cycles + each.bytes / self.per_cycle
        return found


def _parts_of_lines(lines: Sequence[str]) -> list[str]:
    """Return the part that each line of a program belongs to, by the comments that begin them."""
    part, found = "", []
    for line in lines:
        _, dashes, name = line.partition("---- ")
        if dashes and line.lstrip().startswith(";"):
            part = _PART_OF.get(name, part)
        found.append(part)
    return found
