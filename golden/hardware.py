"""HardwareConfig: the sizes and number formats of one PLENA machine."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.shipped import shipped

from .formats import FixedPoint, FormatError, Minifloat, Mx, Scalar, get_format
from .hardware_settings import Settings, merged
from .hardware_svh import FILES, read_svh
from .hardware_toml import is_settings, read_settings

_SIZES = ("mlen", "blen", "vlen", "hlen")
PROGRAM_KEYS = ("types", "memory", "timing", "latency", "m_mm_requantise")
"""What only programs need of a machine's file; golden.isa.machine reads it."""


@dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """One machine: array sizes (elements) and the formats in which results are rounded.

    Of the sizes, only `vlen` decides bits: it is the order in which the vector unit sums. `mlen`,
    `blen` and `hlen` size the matrix unit that co-simulation builds (see `sizes`), `blen` and
    `mlen` the tiles to which memory images are padded; no result depends on them.

    Attributes:
        mlen: depth of one K step of the matrix unit.
        blen: edge of the square output tile.
        vlen: lanes of the vector unit.
        hlen: length of one attention head slice; mx_bmm takes mlen / hlen of them at once.
        vector_format: format V of the vector and scalar units, and of matrix results.
        accumulator_format: format A of block partials and their ordered sum.
        reduction_format: format R of sums over VLEN lanes.
        v_writeback: rows that one store of the vector unit writes; None: `blen`.
        unmapped: what a settings file of PLENA says that has no counterpart here, a line each.
    """

    mlen: int = 64
    blen: int = 4
    vlen: int = 64
    hlen: int = 16
    vector_format: Minifloat = field(default_factory=lambda: get_format("bf16"))
    accumulator_format: Scalar = field(default_factory=lambda: get_format("fp32"))
    reduction_format: Minifloat = field(default_factory=lambda: get_format("fp32"))
    v_writeback: int | None = None
    unmapped: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        given = _SIZES if self.v_writeback is None else (*_SIZES, "v_writeback")
        for key in given:
            size = getattr(self, key)
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise FormatError(f"HardwareConfig: {key} must be a positive integer, got {size!r}")
        for key in ("vector_format", "reduction_format"):
            if not isinstance(getattr(self, key), Minifloat):
                raise FormatError(f"HardwareConfig: {key} must be a Minifloat such as bf16")
        if not isinstance(self.accumulator_format, (Minifloat, FixedPoint)):
            raise FormatError(
                "HardwareConfig: accumulator_format must be a Minifloat or FixedPoint, such as "
                "fp32, bf16 or q16.16"
            )

    @property
    def writeback_rows(self) -> int:
        """Rows that one store of the vector unit writes."""
        return self.blen if self.v_writeback is None else self.v_writeback

    def sizes(self, op: str) -> dict[str, int]:
        """Return the sizes of the matrix unit for one of golden's matrix operations.

        Args:
            op: "mx_mm", "mx_mv" or "mx_bmm".

        Returns:
            golden's arguments of size, which are the block's parameters in RTL, too.

        Raises:
            FormatError: another operation, or sizes that do not fit: BLEN, HLEN and MLEN are powers
                of two, of which each divides the next (HLEN only counts for mx_bmm).

        >>> HardwareConfig(blen=32, mlen=64).sizes("mx_mm")
        {'rows': 32, 'cols': 32, 'depth': 64}
        """
        known = ("mx_mm", "mx_mv", "mx_bmm")
        if op not in known:
            raise FormatError(
                f"HardwareConfig: no sizes for {op!r}; known: {', '.join(known)}"
                f"{did_you_mean(op, known)}"
            )
        chain = {"mx_mm": ("blen", "mlen"), "mx_mv": ("mlen",), "mx_bmm": ("blen", "hlen", "mlen")}
        self._require_chain(op, chain[op])
        if op == "mx_mv":
            return {"cols": self.mlen, "depth": self.mlen}
        square = {"rows": self.blen, "cols": self.blen}
        if op == "mx_mm":
            return {**square, "depth": self.mlen}
        return {"heads": self.mlen // self.hlen, **square, "depth": self.hlen}

    def _require_chain(self, op: str, keys: tuple[str, ...]) -> None:
        sizes = [getattr(self, key) for key in keys]
        powers = all(size & (size - 1) == 0 for size in sizes)
        if not powers or sizes != sorted(sizes):
            shown = ", ".join(f"{key} = {size}" for key, size in zip(keys, sizes, strict=True))
            raise FormatError(
                f"HardwareConfig: {op} needs powers of two, {' <= '.join(keys)}; got {shown}"
            )

    def tables(self) -> dict[str, Any]:
        """Return the tables of a TOML of this project that `from_tables` reads as this machine."""
        formats = {
            role: format_table(getattr(self, f"{role}_format"))
            for role in ("vector", "accumulator", "reduction")
        }
        dimensions = {key: getattr(self, key) for key in _SIZES}
        transfer = (
            {} if self.v_writeback is None else {"transfer": {"v_writeback": self.v_writeback}}
        )
        return {"dimensions": dimensions, "formats": formats, **transfer}

    @classmethod
    def load(cls, path: str | Path) -> HardwareConfig:
        """Read a machine: this project's TOML, or the settings files of PLENA itself.

        In a TOML of this project (tables [dimensions], [formats] and [transfer]) a format is a name
        (`"bf16"`, `"q16.16"`) or a table with `name` and fields to replace
        (`{ name = "q16.16", wrap = true }`). What is left out has its default.

        A TOML with a table TRANSACTIONAL or ANALYTIC is read as plena_settings.toml, and a file
        that ends in .svh as precision.svh or configuration.svh; a folder stands for those of the
        two that are in it. What they say without a counterpart here is in `unmapped`.

        Raises:
            FormatError: the file is missing or not readable, a key is unknown (in a TOML of this
                project), a value is wrong, or two files differ; the message names file and key.
        """
        path = shipped(Path(path))
        found = _settings(path)
        if found is None:
            return cls.from_tables(read_tables(path), source=f"hardware config {path}")
        fields, _, unmapped = merged(found)
        if not fields:
            raise FormatError(f"hardware config {path}: no size or format of a machine in it")
        made: Any = fields
        try:
            return cls(**made, unmapped=unmapped)
        except FormatError as error:
            raise FormatError(f"hardware config {path}: {error}") from None

    @classmethod
    def from_tables(
        cls, tables: Mapping[str, Any], *, source: str = "hardware config"
    ) -> HardwareConfig:
        """Read the tables of a TOML of this project; `source` stands in messages."""
        _require_known(source, "", tables, ["dimensions", "formats", "transfer", *PROGRAM_KEYS])
        dimensions, formats = tables.get("dimensions", {}), tables.get("formats", {})
        transfer = tables.get("transfer", {})
        _require_known(source, "transfer", transfer, ["v_prefetch", "v_writeback"])
        _require_known(source, "dimensions", dimensions, list(_SIZES))
        _require_known(source, "formats", formats, ["vector", "accumulator", "reduction"])
        try:
            made = {f"{role}_format": format_of(given) for role, given in formats.items()}
            return cls(**dimensions, v_writeback=transfer.get("v_writeback"), **made)
        except FormatError as error:
            raise FormatError(f"{source}: {error}") from None


def program_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a machine's file; those that PLENA's own settings come to, for such."""
    found = _settings(path)
    return read_tables(path) if found is None else merged(found)[1]


def own_tables(path: Path) -> dict[str, Any] | None:
    """Return what a HardwareConfig takes of a machine's file, as it stands there.

    Args:
        path: of the file.

    Returns:
        Its tables without those that only programs read; None where it is not of this project.
    """
    if _settings(path) is not None:
        return None
    return {name: each for name, each in read_tables(path).items() if name not in PROGRAM_KEYS}


def _settings(path: Path) -> list[Settings] | None:
    """Return what PLENA's own files say; None for a TOML of this project."""
    if path.is_dir():
        files = [path / name for name in FILES if (path / name).is_file()]
        if not files:
            raise FormatError(
                f"hardware config {path} is a folder without {' or '.join(FILES)}; give a file"
            )
        return [_read_svh(file) for file in files]
    if path.suffix == ".svh":
        return [_read_svh(path)]
    tables = read_tables(path)
    return (
        [read_settings(tables, source=f"hardware config {path}")] if is_settings(tables) else None
    )


def read_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a machine's TOML file; FormatError where there are none."""
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"hardware config {path} is not valid TOML: {error}") from None


def _read_svh(path: Path) -> Settings:
    return read_svh(_text(path), source=f"hardware config {path}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FormatError(f"hardware config {path} does not exist") from None
    except OSError as error:
        raise FormatError(f"hardware config {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"hardware config {path} is not valid TOML: {error}") from None


def format_of(given: Any) -> Any:
    """Return the format that a machine's file names: by its name, or a table with `name`."""
    if isinstance(given, dict) and "name" in given:
        overrides = {key: value for key, value in given.items() if key != "name"}
        return get_format(given["name"], **overrides)
    return get_format(given)


def format_table(fmt: Scalar | Mx) -> Any:
    """Return the name of a format, with the fields that its name does not say."""
    usual = get_format(fmt.name)
    keys = [key for key in fmt.__dataclass_fields__ if key not in ("name", "element")]
    changed = {key: getattr(fmt, key) for key in keys if getattr(fmt, key) != getattr(usual, key)}
    plain = {
        key: value.value if isinstance(value, Enum) else value for key, value in changed.items()
    }
    return {"name": fmt.name, **plain} if plain else fmt.name


def _require_known(source: str, table: str, given: Any, known: list[str]) -> None:
    if not isinstance(given, Mapping):
        raise FormatError(f"{source}: [{table}] must be a table")
    for key in given:
        if key not in known:
            where = f" in [{table}]" if table else ""
            raise FormatError(
                f"{source}: unknown key {key!r}{where}; known: {', '.join(known)}"
                f"{did_you_mean(key, known)}"
            )
