// SPDX-License-Identifier: Apache-2.0
//
// Correctly rounded sum of two codes of one minifloat: RN(a + b).
//
// Golden twin: golden.ops.add.
// Method:     plena_fp_exact_sum, then normalise and round once. A result in the subnormal range is
//             always exact.
// Specials:   x + (-x) is +0 (-0 when rounding down), -0 + -0 is -0; Inf - Inf and any NaN give
//             the canonical NaN. Overflow: see plena_round.
// Latency:    combinational.
module plena_fp_add_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  parameter  bit          BFlipped = 1'b0,  // b_i has its sign bit flipped: RN(a - b)
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic [Width-1:0] a_i,  // summand
  input  logic [Width-1:0] b_i,  // summand
  output logic [Width-1:0] y_o   // rounded sum
);
  localparam int unsigned SumW = fp_sum_width(F);

  logic               sign, inf, nan;
  logic [F.exp_w-1:0] exp;
  logic [SumW-1:0]    sum;

  plena_fp_exact_sum #(
    .Fmt(Fmt), .Rounding(Rounding), .BFlipped(BFlipped)
  ) u_sum (
    .a_i, .b_i, .sign_o(sign), .exp_o(exp), .sum_o(sum), .inf_o(inf), .nan_o(nan)
  );

  plena_fp_sum_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_round (
    .sign_i(sign), .exp_i(exp), .sum_i(sum), .inf_i(inf), .nan_i(nan), .y_o
  );
endmodule
