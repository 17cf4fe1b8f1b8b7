// SPDX-License-Identifier: Apache-2.0
//
// Sum of two fixed-point codes of one format; exact but for the overflow, which saturates or wraps.
//
// Golden twin: golden.ops.dot.accumulate for a FixedPoint.
// Specials:   a symmetric format does not use its lowest code; the next one stands for it.
// Latency:    combinational.
module plena_fixed_add_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Q16p16,  // fixed point
  localparam fmt_t        F     = fmt_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic [Width-1:0] a_i,  // summand
  input  logic [Width-1:0] b_i,  // summand
  output logic [Width-1:0] y_o   // sum
);
  localparam logic [Width-1:0] Half = Width'(1) << (Width - 1);  // the lowest code

  logic [Width:0]   sum;
  logic             over;
  logic [Width-1:0] ended;  // within the range

  assign sum   = {a_i[Width-1], a_i} + {b_i[Width-1], b_i};
  assign over  = sum[Width] != sum[Width-1];
  assign ended = over && !F.wrap ? {sum[Width], {(Width - 1){!sum[Width]}}} : sum[Width-1:0];
  assign y_o   = ended | Width'(F.symmetric && ended == Half);
endmodule
