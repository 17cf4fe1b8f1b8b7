"""Numerics: who computes in a quantised module."""

from __future__ import annotations

from enum import Enum

from plena_cosim.golden import FormatError


class Numerics(Enum):
    """Who computes in a quantised module."""

    FAKE = "fake"
    """torch, on quantised operands."""
    EXACT = "exact"
    """The machine, bit for bit."""

    @classmethod
    def of(cls, given: Numerics | str) -> Numerics:
        """Return the member of a name.

        Raises:
            FormatError: it is none.
        """
        if given == "rtl":
            raise FormatError(
                "numerics 'rtl' are exact ones whose operations run in Verilated blocks, which is "
                'no way to quantise; quantise with numerics="exact", and run the model within '
                'plena_cosim.cosim.rtl_numerics.RtlNumerics.of("matmul").running(model), or by '
                "plena eval ppl --numerics rtl"
            )
        try:
            return cls(given)
        except ValueError:
            known = ", ".join(member.value for member in cls)
            raise FormatError(f"unknown numerics {given!r}; known: {known}") from None
