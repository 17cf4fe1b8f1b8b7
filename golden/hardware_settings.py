"""What PLENA's own settings files say of a machine, and what of it has no counterpart here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .formats import MINIFLOATS, FormatError, Minifloat, Specials, get_format

SIZES = {
    "MLEN": "mlen",
    "BLEN": "blen",
    "VLEN": "vlen",
    "HLEN": "hlen",
    "HBM_V_Writeback_Amount": "v_writeback",
}
"""Keys of PLENA's files, and the fields of HardwareConfig that hold the same."""

PROGRAM_SIZES = {
    "VECTOR_SRAM_SIZE": ("memory", "vector_rows"),
    "VECTOR_SRAM_DEPTH": ("memory", "vector_rows"),
    "INT_SRAM_DEPTH": ("memory", "int_words"),
    "FP_SRAM_DEPTH": ("memory", "fp_words"),
    "HBM_SIZE": ("memory", "hbm_bytes"),
    "MAX_LOOP_DEPTH": ("memory", "loop_depth"),
    "HBM_V_Prefetch_Amount": ("transfer", "v_prefetch"),
    "HBM_V_Writeback_Amount": ("transfer", "v_writeback"),
}
"""Keys of PLENA's files, and the tables and keys of this project's that hold the same."""

_TILE_ROWS = ("MATRIX_SRAM_SIZE", "MATRIX_SRAM_DEPTH")
_PICOSECONDS = 1000
Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one file gives.

    Attributes:
        source: the file, for messages.
        fields: by field of HardwareConfig: the value, and the key of the file it stands in.
        programs: by table and key of a TOML of this project, what only programs need, and the key
            of the file it stands in.
        unmapped: what has no counterpart, a line each: key, value and why.
    """

    source: str
    fields: dict[str, tuple[int | Minifloat, str]] = field(default_factory=dict)
    programs: dict[tuple[str, str], tuple[Any, str]] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)

    def size(self, key: str, value: object) -> None:
        """Take the size that a key of `SIZES` gives; FormatError where it is none."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise FormatError(f"{self.source}: {key} must be a positive integer, got {value!r}")
        self.fields[SIZES[key]] = (value, key)

    def sizes(self, given: Mapping[str, object], *, prefix: str = "") -> None:
        """Take what a file says of sizes, and leave the rest.

        Args:
            given: values by the file's own keys.
            prefix: what stands before each in messages.

        Raises:
            FormatError: a size of a unit that is none.
        """
        mlen, hlen = whole(given.get("MLEN")), whole(given.get("HLEN"))
        clock = whole(given.get("CLOCK_PERIOD_PS", _PICOSECONDS))
        for key, value in given.items():
            where, size = f"{prefix}{key}", whole(value)
            if key in SIZES:
                self.size(key, value)
            if key in PROGRAM_SIZES and size:
                self.programs[PROGRAM_SIZES[key]] = (size, where)
            elif key in _TILE_ROWS and 0 < mlen <= size:
                self.programs["memory", "matrix_tiles"] = (size // mlen, where)
            elif key == "HBM_WIDTH" and size and clock:
                self.programs["timing", "hbm_gb_s"] = (size / 8 * _PICOSECONDS / clock, where)
            elif key == "CLOCK_PERIOD_PS" and size:
                self.programs["timing", "clock_ghz"] = (_PICOSECONDS / size, where)
            elif key == "DC_EN" and value in (0, 1):
                self.programs["timing", "vendor_units"] = (value == 1, where)
            elif key == "HBM_M_Prefetch_Amount":
                if size != mlen:
                    self.leave(where, value, "a tile is fetched whole here, MLEN rows")
            elif key == "BROADCAST_AMOUNT":
                if not hlen or size != mlen // hlen:
                    self.leave(where, value, "MLEN / HLEN heads take part in a product here")
            elif key not in SIZES:
                self.leave(where, value, "no size of a unit or memory here")

    def leave(self, key: str, value: object, why: str) -> None:
        """Note what has no counterpart.

        Args:
            key: of the file.
            value: as the file gives it.
            why: nothing here takes it.
        """
        self.unmapped.append(f"{key} = {value}: {why}")


def whole(value: object) -> int:
    """Return a positive integer as it is, and 0 for anything else."""
    return value if type(value) is int and value > 0 else 0


def minifloat_of(exp_bits: object, man_bits: object, *, where: str) -> Minifloat:
    """Return the format of a unit whose file gives only widths: the named one where there is one.

    Args:
        exp_bits, man_bits: as the file gives them.
        where: file and key, for messages.

    Returns:
        bf16 for 8 and 7, fp16, fp32, e4m3 with OCP's specials …, and a format without specials for
        widths that have no name.

    Raises:
        FormatError: no such format.
    """
    for widths in (exp_bits, man_bits):
        if not isinstance(widths, int) or isinstance(widths, bool):
            raise FormatError(f"{where}: widths must be integers, got {exp_bits!r}, {man_bits!r}")
    for named in MINIFLOATS.values():
        usual = named.specials is not Specials.FNUZ
        if usual and (named.exp_bits, named.man_bits) == (exp_bits, man_bits):
            return named
    try:
        return Minifloat(exp_bits=exp_bits, man_bits=man_bits)  # type: ignore[arg-type]
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None


def mx_table(element: object, scale: object, block: object, *, where: str) -> dict[str, Any] | None:
    """Return an MX format as a table of [types], from the widths that a file gives.

    Only widths and blocks come from there: rounding and scales are this project's.

    Args:
        element: {"type": "Int", "width": 4} or {"type": "Fp", "exponent": 4, "mantissa": 3}.
        scale: the same, of the shared scale.
        block: elements of a block.
        where: file and key, for messages.

    Returns:
        The table; None where scales are no powers of two of 8 bits.

    Raises:
        FormatError: widths or a block that no format has.
    """
    element = element if isinstance(element, Mapping) else {}
    scale = scale if isinstance(scale, Mapping) else {}
    if (scale.get("type"), scale.get("exponent"), scale.get("mantissa")) != ("Fp", 8, 0):
        return None
    if element.get("type") == "Int":
        name = f"mxint{element.get('width')}"
    else:
        exponent, mantissa = element.get("exponent"), element.get("mantissa")
        if type(exponent) is not int or type(mantissa) is not int:
            raise FormatError(f"{where}: widths must be integers, got {exponent!r}, {mantissa!r}")
        name = f"mxfp{1 + exponent + mantissa}_e{exponent}m{mantissa}"
    table = {"name": name, "block_size": block}
    try:
        get_format(name, block_size=block)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None
    return table


def merged(
    found: Iterable[Settings],
) -> tuple[dict[str, int | Minifloat], Tables, tuple[str, ...]]:
    """Return what some files say together.

    Args:
        found: what each of them says.

    Returns:
        The fields of HardwareConfig, the tables that programs need, and what has no counterpart.

    Raises:
        FormatError: two of them give one field different values; the message names both.
    """
    fields: dict[Any, tuple[Any, str, str]] = {}
    unmapped: list[str] = []
    for each in found:
        unmapped += each.unmapped
        for name, (value, key) in (*each.fields.items(), *each.programs.items()):
            before = fields.setdefault(name, (value, key, each.source))
            if before[0] != value:
                raise FormatError(
                    f"{each.source}: {key} = {_shown(value)}, but {before[2]} has {before[1]} = "
                    f"{_shown(before[0])}; make them agree, or give one file"
                )
    tables: Tables = {}
    for name, (value, _, _) in fields.items():
        if isinstance(name, tuple):
            tables.setdefault(name[0], {})[name[1]] = value
    own = {name: value for name, (value, _, _) in fields.items() if isinstance(name, str)}
    return own, tables, tuple(unmapped)


def _shown(value: object) -> str:
    return value.name if isinstance(value, Minifloat) else str(value)
