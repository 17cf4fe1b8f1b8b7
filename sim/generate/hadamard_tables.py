"""Writes the sizes and signs of Hadamard matrices for the gates, rtl/gen/plena_hadamard_pkg.sv.

python -m plena_cosim.sim.generate.hadamard_tables
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plena_cosim.golden.hadamard_matrices import Signs, hadamard_matrix
from plena_cosim.golden.hadamard_sizes import hadamard_orders

from ..verilate.rtl_files import RTL_DIR

PATH = RTL_DIR / "gen" / "plena_hadamard_pkg.sv"
COLUMNS = 100
"""Of the longest line."""

_HEAD = f"""\
// SPDX-License-Identifier: Apache-2.0
//
// Sizes K * 2^r of Hadamard transforms, and the signs of the matrices of the orders K.
// Made by sim/generate/hadamard_tables.py: do not edit.
//
// Golden twin: golden.hadamard_sizes, golden.hadamard_matrices.
package plena_hadamard_pkg;

  localparam int unsigned MaxOrder = 32'd{hadamard_orders()[-1]};
  localparam int unsigned MatrixW  = MaxOrder * MaxOrder;

  // Whether there is a matrix of order k here: 4 times an odd number.
  function automatic bit is_hadamard_order(int unsigned k);
    return k >= 12 && k <= MaxOrder && k % 8 == 4;
  endfunction

  // Whether n = K * 2^r with such a K, or K = 1.
  function automatic bit is_hadamard_size(int unsigned n);
    if (n == 0) return 1'b0;
    return hadamard_order(n) == 1 || (is_hadamard_order(hadamard_order(n)) && n % 4 == 0);
  endfunction

  // K of such a size.
  function automatic int unsigned hadamard_order(int unsigned n);
    int unsigned odd = n / (n & -n);
    return odd == 1 ? 1 : 4 * odd;
  endfunction

  // Stages of plena_hadamard: levels of the sums over K, butterflies, the gain.
  function automatic int unsigned hadamard_latency(int unsigned n);
    return $clog2(hadamard_order(n)) + $clog2(n / hadamard_order(n)) + 1;
  endfunction

  // The matrix of an order, row by row from the least significant bit; a set bit is -1.
  function automatic logic [MatrixW-1:0] hadamard_negative(logic [7:0] order);
    case (order)
"""
_TRANSPOSED = """\
      default: return MatrixW'(0);
    endcase
  endfunction

  // The same, column by column: what is its own transpose is as above.
  function automatic logic [MatrixW-1:0] hadamard_transposed(logic [7:0] order);
    case (order)
"""
_TAIL = """\
      default: return hadamard_negative(order);
    endcase
  endfunction

endpackage
"""


def text() -> str:
    """Return the package's text."""
    matrices = {order: hadamard_matrix(order) for order in hadamard_orders() if order > 1}
    plain = "".join(_matrix(matrix) for matrix in matrices.values())
    turned = "".join(_matrix(m.T) for m in matrices.values() if not np.array_equal(m, m.T))
    return _HEAD + plain + _TRANSPOSED + turned + _TAIL


def _matrix(matrix: Signs) -> str:
    """Return the case of an order: its rows, the last one first, as many a line as fit."""
    order = len(matrix)
    rows = [f"{order}'h{_row(row):x}" for row in (matrix < 0).tolist()][::-1]
    lines = ["       "]
    for row in rows:
        if len(lines[-1]) + len(row) + 2 > COLUMNS:
            lines.append("       ")
        lines[-1] += f" {row},"
    body = "\n".join(lines).removesuffix(",")
    return f"      8'd{order}: return MatrixW'({{\n{body}\n      }});\n"


def _row(negative: list[bool]) -> int:
    return sum(bit << column for column, bit in enumerate(negative))


def main(path: Path = PATH) -> None:
    """Write the package."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
