"""What PLENA's own settings files say of a machine, and what of it has no counterpart here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .formats import MINIFLOATS, FormatError, Minifloat, Specials

SIZES = {
    "MLEN": "mlen",
    "BLEN": "blen",
    "VLEN": "vlen",
    "HLEN": "hlen",
    "HBM_V_Writeback_Amount": "v_writeback",
}
"""Keys of PLENA's files, and the fields of HardwareConfig that hold the same."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one file gives.

    Attributes:
        source: the file, for messages.
        fields: by field of HardwareConfig: the value, and the key of the file it stands in.
        unmapped: what has no counterpart, a line each: key, value and why.
    """

    source: str
    fields: dict[str, tuple[int | Minifloat, str]] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)

    def size(self, key: str, value: object) -> None:
        """Take the size that a key of `SIZES` gives; FormatError where it is none."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise FormatError(f"{self.source}: {key} must be a positive integer, got {value!r}")
        self.fields[SIZES[key]] = (value, key)

    def leave(self, key: str, value: object, why: str) -> None:
        """Note what has no counterpart.

        Args:
            key: of the file.
            value: as the file gives it.
            why: nothing here takes it.
        """
        self.unmapped.append(f"{key} = {value}: {why}")


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


def merged(found: Iterable[Settings]) -> tuple[dict[str, int | Minifloat], tuple[str, ...]]:
    """Return the fields that some files give together, and what none of them maps.

    Raises:
        FormatError: two of them give one field different values; the message names both.
    """
    fields: dict[str, tuple[int | Minifloat, str, str]] = {}
    unmapped: list[str] = []
    for each in found:
        unmapped += each.unmapped
        for name, (value, key) in each.fields.items():
            before = fields.setdefault(name, (value, key, each.source))
            if before[0] != value:
                raise FormatError(
                    f"{each.source}: {key} = {_shown(value)}, but {before[2]} has {before[1]} = "
                    f"{_shown(before[0])}; make them agree, or give one file"
                )
    return {name: value for name, (value, _, _) in fields.items()}, tuple(unmapped)


def _shown(value: int | Minifloat) -> str:
    return value.name if isinstance(value, Minifloat) else str(value)
