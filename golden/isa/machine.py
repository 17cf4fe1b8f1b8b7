"""Machine: what a program runs on: sizes, formats by number, memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from plena_cosim.ground.shipped import shipped

from ..formats import FormatError, Minifloat, Mx, get_format
from ..hardware import HardwareConfig, format_of, format_table, program_tables
from ..timing import Timing, require_keys

Type = Mx | Minifloat

KV, VECTOR, FIRST_OWN = 1, 2, 3
"""Numbers of types: 0 is the weights' in H_PREFETCH_M and the activations' elsewhere."""
_MOST = 8
_WIDEST_VECTOR = 16


@dataclass(frozen=True, kw_only=True)
class Memories:
    """Sizes of a machine's memories.

    Attributes:
        vector_rows: of VLEN elements.
        matrix_tiles: of MLEN x MLEN elements.
        int_words: of 32 bits.
        fp_words: codes of R.
        hbm_bytes: of main memory.
        program_words: instructions.
        loop_depth: loops within each other.
    """

    vector_rows: int = 4096
    matrix_tiles: int = 64
    int_words: int = 1024
    fp_words: int = 4096
    hbm_bytes: int = 1 << 30
    program_words: int = 1 << 18
    loop_depth: int = 4


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a program runs on.

    Attributes:
        hardware: sizes, V, A and R.
        weight: type 0 of tiles.
        activation: type 0 elsewhere.
        kv: type 1.
        own: types 3 and up.
        memories: their sizes.
        v_prefetch, v_writeback: rows that one H_PREFETCH_V, one H_STORE_V moves; None: BLEN.
        m_mm_requantise: every H_PREFETCH_M of stored type 0 makes blocks down columns.
        timing: what costs are counted with.
    """

    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    weight: Type = field(default_factory=lambda: get_format("mxint4", block_size=16))
    activation: Type = field(default_factory=lambda: get_format("mxint8", block_size=16))
    kv: Type = field(default_factory=lambda: get_format("mxint8", block_size=16))
    own: tuple[Type, ...] = field(default_factory=lambda: (get_format("mxint16", block_size=16),))
    memories: Memories = field(default_factory=Memories)
    v_prefetch: int | None = None
    v_writeback: int | None = None
    m_mm_requantise: bool = False
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        hw = self.hardware
        sizes = {key: getattr(hw, key) for key in ("blen", "hlen", "mlen", "vlen")}
        shown = ", ".join(f"{key} = {size}" for key, size in sizes.items())
        if any(size & (size - 1) for size in sizes.values()):
            raise FormatError(f"programs need sizes that are powers of two; got {shown}")
        if hw.mlen != hw.vlen or not hw.blen <= hw.hlen <= hw.mlen:
            raise FormatError(f"programs need blen <= hlen <= mlen = vlen; got {shown}")
        if hw.mlen // hw.hlen > 32:
            raise FormatError(f"programs need at most 32 heads a row, mlen / hlen; got {shown}")
        v, r = hw.vector_format, hw.reduction_format
        if v.width_bits > _WIDEST_VECTOR:
            raise FormatError(f"programs need a vector format of up to 16 bits; got {v.name}")
        if not contains(r, v):
            raise FormatError(
                f"programs keep values of the vector format {v.name} in registers of the "
                f"reduction format {r.name}, which does not hold them all"
            )
        for number, type_ in enumerate(self.types(weights=False)):
            self._check_type(f"type {number}", type_)
        self._check_type("type 0 of tiles", self.weight)
        if not isinstance(self.weight, Mx):
            raise FormatError(f"the weights' type must be an MX format; got {self.weight.name}")
        if len(self.own) > _MOST - FIRST_OWN:
            raise FormatError(f"a machine has up to {_MOST} types; got {FIRST_OWN + len(self.own)}")
        for memory in fields(Memories):
            size = getattr(self.memories, memory.name)
            if type(size) is not int or size < 1:
                raise FormatError(f"[memory] {memory.name} = {size!r}; need a positive integer")
        for key in ("v_prefetch", "v_writeback"):
            rows = getattr(self, key)
            if rows is not None and (type(rows) is not int or rows < 1):
                raise FormatError(f"[transfer] {key} = {rows!r}; need a positive number of rows")

    def _check_type(self, which: str, type_: Type) -> None:
        vlen = self.hardware.vlen
        if isinstance(type_, Mx):
            if type_.scale_bits != 8:
                raise FormatError(f"{which} {type_.name}: scales must have 8 bits")
            size = type_.block_size
            if size & (size - 1) or vlen % size:
                raise FormatError(
                    f"{which} {type_.name}: blocks of {size} elements; need a power of two that "
                    f"divides mlen = {vlen}"
                )
            if size * type_.element.width_bits % 8:
                raise FormatError(
                    f"{which} {type_.name}: a block of {size * type_.element.width_bits} bits is "
                    "no whole number of bytes"
                )
        elif vlen * type_.width_bits % 8:
            raise FormatError(f"{which} {type_.name}: a row is no whole number of bytes")

    def types(self, *, weights: bool) -> tuple[Type, ...]:
        """Return the formats by their numbers; `weights`: as H_PREFETCH_M and tiles have them."""
        first = self.weight if weights else self.activation
        return first, self.kv, self.hardware.vector_format, *self.own

    @property
    def prefetch_rows(self) -> int:
        """Rows that one H_PREFETCH_V moves."""
        return self.v_prefetch or self.hardware.blen

    @property
    def store_rows(self) -> int:
        """Rows that one H_STORE_V moves."""
        return self.v_writeback or self.hardware.blen

    def tables(self) -> dict[str, Any]:
        """Return the tables of a TOML that `load` reads as this machine."""
        roles = {"weight": self.weight, "activation": self.activation, "kv": self.kv}
        roles |= {f"type{FIRST_OWN + index}": type_ for index, type_ in enumerate(self.own)}
        transfer = {"v_prefetch": self.v_prefetch, "v_writeback": self.v_writeback}
        tables = self.hardware.tables()
        tables["m_mm_requantise"] = self.m_mm_requantise
        tables["types"] = {role: format_table(type_) for role, type_ in roles.items()}
        tables["memory"] = asdict(self.memories)
        tables |= self.timing.tables()
        given = {key: rows for key, rows in transfer.items() if rows is not None}
        return {**tables, "transfer": given} if given else tables

    @classmethod
    def load(cls, path: str | Path) -> Machine:
        """Read a machine with its tables [types], [memory], [transfer], [timing] and [latency].

        [types] names weight, activation, kv, and then types 3 and up by names of your own. A type
        is a format's name or a table as in HardwareConfig.load. What PLENA's own settings say of
        all this is read as such tables.

        Raises:
            FormatError: as HardwareConfig.load; or sizes and types that programs cannot have.
        """
        place = shipped(Path(path))
        hardware = HardwareConfig.load(path)
        tables = program_tables(place)
        source = f"hardware config {place}"
        types = tables.get("types", {})
        memory = tables.get("memory", {})
        transfer = tables.get("transfer", {})
        try:
            require_keys("memory", memory, [each.name for each in fields(Memories)])
            if not isinstance(types, Mapping):
                raise FormatError("[types] must be a table")
            chosen: dict[str, Any] = {
                key: format_of(types[key]) for key in ("weight", "activation", "kv") if key in types
            }
            own = tuple(format_of(given) for key, given in types.items() if key not in chosen)
            if types:
                chosen["own"] = own
            return cls(
                hardware=hardware,
                memories=Memories(**memory),
                v_prefetch=transfer.get("v_prefetch"),
                v_writeback=transfer.get("v_writeback"),
                m_mm_requantise=bool(tables.get("m_mm_requantise", False)),
                timing=Timing.from_tables(tables),
                **chosen,
            )
        except FormatError as error:
            raise FormatError(f"{source}: {error}") from None


def contains(wide: Minifloat, narrow: Minifloat) -> bool:
    """Return whether every number of one format is one of another, specials included."""
    return (
        wide.man_bits >= narrow.man_bits
        and wide.max_value >= narrow.max_value
        and wide.lsb_exp <= narrow.lsb_exp
        and wide.has_inf >= narrow.has_inf
        and wide.has_nan >= narrow.has_nan
        and wide.has_negative_zero >= narrow.has_negative_zero
    )
