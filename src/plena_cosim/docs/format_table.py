"""The registry of formats as rows: what `plena formats` prints and what the README shows."""

from __future__ import annotations

from collections.abc import Iterator

from ..golden import FORMATS, Minifloat, Mx, Specials

SCALAR_HEADER = ("format", "bits", "bias", "largest", "smallest normal", "smallest", "specials")
BLOCK_HEADER = ("format", "element", "bits/value", "e_max", "largest element", "smallest element")

_SPECIALS = {Specials.IEEE: "Inf, NaN", Specials.OCP_NAN: "NaN", Specials.NONE: "none"}


def scalar_rows() -> Iterator[tuple[str, ...]]:
    """Yield one row per named minifloat, in the order of SCALAR_HEADER."""
    for fmt in FORMATS.values():
        if isinstance(fmt, Minifloat):
            yield (
                fmt.name,
                str(fmt.width_bits),
                str(fmt.bias_value),
                f"{fmt.max_value:.6g}",
                f"2^{fmt.emin}",
                f"2^{fmt.lsb_exp}",
                _SPECIALS[Specials(fmt.specials)],
            )


def block_rows() -> Iterator[tuple[str, ...]]:
    """Yield one row per named MX format (block size 32, 8-bit scale), as in BLOCK_HEADER."""
    for fmt in FORMATS.values():
        if isinstance(fmt, Mx):
            element = fmt.element
            yield (
                fmt.name,
                element.name,
                f"{fmt.bits_per_value:g}",
                str(element.emax),
                f"{element.max_value:.6g}",
                f"2^{element.lsb_exp}",
            )


def markdown() -> str:
    """Return both tables as GitHub Markdown."""
    return "\n\n".join(
        "\n".join("| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *rows))
        for header, rows in ((SCALAR_HEADER, scalar_rows()), (BLOCK_HEADER, block_rows()))
    )
