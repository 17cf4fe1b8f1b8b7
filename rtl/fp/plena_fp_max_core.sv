// SPDX-License-Identifier: Apache-2.0
//
// The larger, or the smaller, of two codes of one minifloat.
//
// Golden twin: golden.ops.max, golden.ops.min.
// Method:     one comparison: with the magnitude of a negative code inverted and its sign bit on
//             top, codes are unsigned numbers in the order of their values, -0 just below +0.
// Specials:   a NaN loses to a number; two give the canonical NaN.
// Latency:    combinational.
module plena_fp_max_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  bit          Smallest = 1'b0,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic [Width-1:0] a_i,  // operand
  input  logic [Width-1:0] b_i,  // operand
  output logic [Width-1:0] y_o   // the larger, or smaller
);
  logic a_nan, b_nan, a_less;

  plena_fp_order #(
    .Fmt(Fmt)
  ) u_order (
    .a_i, .b_i, .a_nan_o(a_nan), .b_nan_o(b_nan), .less_o(a_less)
  );

  always_comb begin
    if (a_nan && b_nan)                         y_o = Width'(nan_code(F));
    else if (b_nan)                             y_o = a_i;
    else if (a_nan || a_less != Smallest)       y_o = b_i;
    else                                        y_o = a_i;
  end
endmodule
