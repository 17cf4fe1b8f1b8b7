"""Timing: what a machine's file says of time; no bit depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean

from .formats import FormatError

Pair = tuple[int, int]
"""Cycles with a vendor's arithmetic units, and without."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Cycles that PLENA's emulator charges; the defaults are those of its own settings.

    The names are those of the table LATENCY in plena_settings.toml, without _CYCLES.

    Attributes:
        systolic_processing_overhead: of a product, besides its MLEN.
        vector_add: sums and differences.
        vector_mul: products and shifts.
        vector_exp, vector_reci: e to the …, 1 / ….
        vector_max, vector_sum: maxima and minima, and sums over a vector.
        scalar_fp_basic: scalar sums, products and maxima.
        scalar_fp_exp, scalar_fp_sqrt, scalar_fp_reci: scalar functions.
        scalar_int_basic: integers, their loads and stores too.
    """

    systolic_processing_overhead: Pair = (0, 0)
    vector_add: Pair = (1, 2)
    vector_mul: Pair = (1, 5)
    vector_exp: Pair = (1, 6)
    vector_reci: Pair = (2, 7)
    vector_max: Pair = (4, 4)
    vector_sum: Pair = (8, 20)
    scalar_fp_basic: Pair = (1, 1)
    scalar_fp_exp: Pair = (1, 2)
    scalar_fp_sqrt: Pair = (1, 2)
    scalar_fp_reci: Pair = (1, 2)
    scalar_int_basic: Pair = (1, 1)

    def __post_init__(self) -> None:
        for each in fields(self):
            pair = getattr(self, each.name)
            right = isinstance(pair, (list, tuple)) and len(pair) == 2
            if not right or any(type(cycles) is not int or cycles < 0 for cycles in pair):
                raise FormatError(
                    f"[latency] {each.name} = {pair!r}; need two numbers of cycles, with a "
                    "vendor's arithmetic units and without, such as [1, 2]"
                )
            object.__setattr__(self, each.name, tuple(pair))


LATENCIES = tuple(each.name for each in fields(Latency))


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What costs are counted with.

    Attributes:
        clock_ghz: cycles a nanosecond.
        hbm_gb_s: of HBM, 10^9 bytes a second; 512 is 4096 bits a cycle at 1 GHz, as in PLENA's
            own settings.
        macs: multiply-accumulates of the matrix unit a cycle; None: MLEN x BLEN.
        vendor_units: arithmetic units of a vendor's library.
        latency: cycles of PLENA's emulator.
    """

    clock_ghz: float = 1.0
    hbm_gb_s: float = 512.0
    macs: int | None = None
    vendor_units: bool = True
    latency: Latency = field(default_factory=Latency)

    def __post_init__(self) -> None:
        for key in ("clock_ghz", "hbm_gb_s"):
            value = getattr(self, key)
            if type(value) not in (int, float) or not isfinite(value) or value <= 0:
                raise FormatError(f"[timing] {key} = {value!r}; need a positive number")
        if self.macs is not None and (type(self.macs) is not int or self.macs < 1):
            raise FormatError(f"[timing] macs = {self.macs!r}; need a positive integer")
        if type(self.vendor_units) is not bool:
            raise FormatError(f"[timing] vendor_units = {self.vendor_units!r}; need true or false")

    @property
    def bytes_per_cycle(self) -> float:
        """Bytes of HBM a cycle."""
        return self.hbm_gb_s / self.clock_ghz

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the tables [timing] and [latency] with what is not the default."""
        usual, found = Timing(), dict[str, dict[str, Any]]()
        keys = [each.name for each in fields(self) if each.name != "latency"]
        timing = {key: getattr(self, key) for key in keys if getattr(self, key) != vars(usual)[key]}
        latency = {
            key: list(pair)
            for key, pair in vars(self.latency).items()
            if pair != vars(usual.latency)[key]
        }
        for name, table in (("timing", timing), ("latency", latency)):
            if table:
                found[name] = table
        return found

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Timing:
        """Read the tables [timing] and [latency] of a machine's file.

        Args:
            tables: of the file; what is not there has its default.

        Raises:
            FormatError: a key or a value that cannot be.
        """
        timing, latency = tables.get("timing", {}), tables.get("latency", {})
        keys = [each.name for each in fields(cls) if each.name != "latency"]
        require_keys("timing", timing, keys)
        require_keys("latency", latency, list(LATENCIES))
        return cls(**timing, latency=Latency(**latency))


def require_keys(table: str, given: Any, known: list[str]) -> None:
    """Refuse a table of a machine's file with a key that nobody reads.

    Args:
        table: its name.
        given: what the file has.
        known: its keys.

    Raises:
        FormatError: no table, or a key that is not known.
    """
    if not isinstance(given, Mapping):
        raise FormatError(f"[{table}] must be a table")
    for key in given:
        if key not in known:
            raise FormatError(
                f"unknown key {key!r} in [{table}]; known: {', '.join(known)}"
                f"{did_you_mean(key, known)}"
            )
