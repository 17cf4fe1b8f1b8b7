// SPDX-License-Identifier: Apache-2.0
//
// plena_fp_mul_core against a table of all its results, one row for every pair of codes.
//
// Method:     row {a, b} of Table; the table comes from exact fractions (sim/formal/proofs.py).
// Latency:    combinational.
module plena_fp_mul_table_props
  import plena_pkg::*;
#(
  parameter  int unsigned                Fmt   = pack_minifloat(2, 1, 1, SpecialsNone),
  localparam fmt_t                       F     = minifloat_of(Fmt),
  localparam int unsigned                Width = F.width,
  localparam int unsigned                Rows  = 1 << (2 * Width),
  parameter  logic [Rows-1:0][Width-1:0] Table = '0
) (
  input  logic [Width-1:0] a_i,     // factor
  input  logic [Width-1:0] b_i,     // factor
  output logic [Width-1:0] y_o,     // product of the block
  output logic             holds_o  // what is to be proven
);
  plena_fp_mul_core #(
    .Fmt(Fmt)
  ) u_dut (
    .a_i, .b_i, .y_o
  );

  assign holds_o = y_o == Table[{a_i, b_i}];
endmodule
