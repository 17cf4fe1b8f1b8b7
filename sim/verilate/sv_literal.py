"""Values of parameters as SystemVerilog writes them, and Verilator's and slang's command lines."""

from __future__ import annotations


def sv_literal(value: int | str) -> str:
    """Return a parameter's value as SystemVerilog text; what needs more than 31 bits gets a width.

    Args:
        value: a number that is not negative and fits into 64 bits, or text that is used as it is.

    >>> sv_literal(65144), sv_literal(0x4008200212), sv_literal("1024'h0")
    ('65144', "64'h4008200212", "1024'h0")
    """
    if isinstance(value, str) or value < 1 << 31:
        return str(value)
    return f"64'h{value:x}"
