"""Writes the tables of 2^f for the gates, rtl/gen/plena_exp2_pkg.sv.

python -m plena_cosim.sim.exp2_tables
"""

from __future__ import annotations

from pathlib import Path

from plena_cosim.golden.transcendental import floor_exp2, floor_ln2, floor_log2_e

from ..verilate.rtl_files import RTL_DIR

PATH = RTL_DIR / "gen" / "plena_exp2_pkg.sv"

DIGITS = 5
"""Tables; digit k of f stands for f's bits 6k+1 .. 6k+6 after the point."""
DIGIT_BITS = 6
FRAC_BITS = 60
"""Of a table's entry."""
LN2_BITS, LOG2_E_BITS = 64, 80

_HEAD = f"""\
// SPDX-License-Identifier: Apache-2.0
//
// Constants of 2^f, cut (not rounded) to fixed point.
// Made by sim/generate/exp2_tables.py: do not edit.
//
// Golden twin: golden.transcendental, which knows them to any length.
package plena_exp2_pkg;

  localparam int unsigned DigitW = {DIGIT_BITS};  // bits of f that index one table
  localparam int unsigned TableW = {FRAC_BITS};  // fraction bits of an entry
  localparam int unsigned Ln2W = {LN2_BITS};
  localparam int unsigned Log2EW = {LOG2_E_BITS};

  localparam logic [Ln2W-1:0] Ln2 = {LN2_BITS}'h{floor_ln2(LN2_BITS):x};
  localparam logic [Log2EW:0] Log2E = {LOG2_E_BITS + 1}'h{floor_log2_e(LOG2_E_BITS):x};

  // 2^(index * 2^(-DigitW * (digit + 1))) - 1.
  function automatic logic [TableW-1:0] exp2_digit(int unsigned digit, logic [DigitW-1:0] index);
    logic [TableW-1:0] entry;
    case (digit)
"""
_TAIL = """\
      default: entry = '0;
    endcase
    return entry;
  endfunction

endpackage
"""


def text() -> str:
    """Return the package's text."""
    return _HEAD + "".join(map(_table, range(DIGITS))) + _TAIL


def _table(digit: int) -> str:
    scale_exp = -DIGIT_BITS * (digit + 1)
    entries = "".join(
        f"        {DIGIT_BITS}'d{index}: entry = {FRAC_BITS}'h{_entry(index, scale_exp):x};\n"
        for index in range(1, 1 << DIGIT_BITS)
    )
    return f"      {digit}: case (index)\n{entries}        default: entry = '0;\n      endcase\n"


def _entry(index: int, scale_exp: int) -> int:
    return floor_exp2(index, scale_exp, FRAC_BITS) - (1 << FRAC_BITS)


def main(path: Path = PATH) -> None:
    """Write the package."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
