"""A toy block in SystemVerilog: lanes times a factor, to test the machinery without real blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.golden import get_format
from plena_cosim.golden.ops.op import Family, Op, Port, block_of

SOURCE = """\
module plena_toy #(
  parameter int unsigned W = 8,
  parameter int unsigned Lanes = 2
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic in_valid_i,
  output logic in_ready_o,
  input  logic [Lanes-1:0][W-1:0] a_i,
  input  logic [W-1:0] b_i,
  output logic out_valid_o,
  input  logic out_ready_i,
  output logic [Lanes-1:0][W-1:0] y_o
);
  /* verilator lint_off UNUSEDPARAM */
  localparam int unsigned Latency = 1;
  /* verilator lint_on UNUSEDPARAM */
  logic valid_q;
  logic [Lanes-1:0][W-1:0] y_q;
  assign in_ready_o = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign y_o = y_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      y_q <= '0;
    end else if (in_ready_o) begin
      valid_q <= in_valid_i;
      if (in_valid_i) begin
        for (int unsigned lane = 0; lane < Lanes; lane++) y_q[lane] <= a_i[lane] * b_i;
      end
    end
  end
endmodule
"""


def toy_golden(a: Any, b: Any, element: Any) -> Any:
    """Return a * b lane by lane, cut to the element's width."""
    width = element.element.width_bits
    product = np.asarray(a, dtype=np.uint64) * np.asarray(b, dtype=np.uint64)[:, None]
    return product & np.uint64((1 << width) - 1)


TOY = Op(
    name="toy",
    golden=toy_golden,
    summary="lanes times a factor",
    family=Family.TRANSFORM,
    formats={"element": ""},
    inputs=(Port("a", "element", "element", block_of("element")), Port("b", "element", "scale")),
    outputs=(Port("y", "element", "element", block_of("element")),),
)
FORMATS = {"element": get_format("mxint8", block_size=2)}


def write_toy(folder: Path, **replacements: str) -> Path:
    """Write the toy's RTL, with pieces of its text replaced; returns the RTL folder."""
    text = SOURCE
    for old, new in replacements.items():
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the toy"
        text = text.replace(old, new)
    return write_source(folder, text)


def write_source(folder: Path, text: str) -> Path:
    """Write `text` as the toy's RTL; returns the RTL folder."""
    rtl = folder / "rtl"
    rtl.mkdir(parents=True, exist_ok=True)
    (rtl / "plena_toy.sv").write_text(text, encoding="utf-8")
    return rtl


def parameters(width_bits: int, lanes: int) -> dict[str, int]:
    """Return the toy's SystemVerilog parameters."""
    return {"W": width_bits, "Lanes": lanes}
