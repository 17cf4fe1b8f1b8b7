"""HardwareConfig: the sizes and number formats of one PLENA machine."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.shipped import shipped

from .formats import FixedPoint, FormatError, Minifloat, Scalar, get_format


@dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """One machine: array sizes (elements) and the formats in which results are rounded.

    Of the sizes, only `vlen` decides bits: it is the order in which the vector unit sums. No result
    depends on `mlen`, `blen` or `hlen`, and nothing reads them yet; they are checked and kept.

    Attributes:
        mlen: depth of one K step of the matrix unit; not read yet.
        blen: edge of the square output tile; not read yet.
        vlen: lanes of the vector unit.
        hlen: length of one attention head slice; not read yet.
        vector_format: format V of the vector and scalar units, and of matrix results.
        accumulator_format: format A of block partials and their ordered sum.
        reduction_format: format R of sums over VLEN lanes.
    """

    mlen: int = 64
    blen: int = 4
    vlen: int = 64
    hlen: int = 16
    vector_format: Minifloat = field(default_factory=lambda: get_format("bf16"))
    accumulator_format: Scalar = field(default_factory=lambda: get_format("fp32"))
    reduction_format: Minifloat = field(default_factory=lambda: get_format("fp32"))

    def __post_init__(self) -> None:
        for key in ("mlen", "blen", "vlen", "hlen"):
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

    @classmethod
    def load(cls, path: str | Path) -> HardwareConfig:
        """Read a TOML file with the tables [dimensions] and [formats].

        A format is a name (`"bf16"`, `"q16.16"`) or a table with `name` and fields to replace
        (`{ name = "q16.16", wrap = true }`). What is left out has its default.

        Raises:
            FormatError: the file is missing or not TOML, a key is unknown, or a value is wrong; the
                message names file and key.
        """
        path = shipped(Path(path))
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FormatError(f"hardware config {path} does not exist") from None
        except OSError as error:
            raise FormatError(f"hardware config {path} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FormatError(f"hardware config {path} is not valid TOML: {error}") from None
        return cls.from_tables(tables, source=f"hardware config {path}")

    @classmethod
    def from_tables(
        cls, tables: Mapping[str, Any], *, source: str = "hardware config"
    ) -> HardwareConfig:
        """Read the tables of such a file; `source` says in messages where they come from."""
        _require_known(source, "", tables, ["dimensions", "formats"])
        dimensions, formats = tables.get("dimensions", {}), tables.get("formats", {})
        _require_known(source, "dimensions", dimensions, ["mlen", "blen", "vlen", "hlen"])
        _require_known(source, "formats", formats, ["vector", "accumulator", "reduction"])
        try:
            made = {f"{role}_format": _format(given) for role, given in formats.items()}
            return cls(**dimensions, **made)
        except FormatError as error:
            raise FormatError(f"{source}: {error}") from None


def _format(given: Any) -> Any:
    if isinstance(given, dict) and "name" in given:
        overrides = {key: value for key, value in given.items() if key != "name"}
        return get_format(given["name"], **overrides)
    return get_format(given)


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
