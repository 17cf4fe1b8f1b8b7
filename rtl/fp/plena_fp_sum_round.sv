// SPDX-License-Identifier: Apache-2.0
//
// The rest of plena_fp_add_core: what plena_fp_exact_sum gives, rounded once.
//
// Method:     plena_normalize_round.
// Specials:   see plena_round.
// Latency:    combinational.
module plena_fp_sum_round
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned SumW     = fp_sum_width(F)
) (
  input  logic               sign_i,  // sign
  input  logic [F.exp_w-1:0] exp_i,   // exponent field of the larger summand
  input  logic [SumW-1:0]    sum_i,   // exact sum
  input  logic               inf_i,   // it is an exact Inf
  input  logic               nan_i,   // it is NaN
  output logic [F.width-1:0] y_o      // rounded sum
);
  // The carry's binade is one above the larger operand's, whose field (1 .. 2^exp_w - 1) is
  // therefore what plena_normalize calls exp_i.
  localparam int          ExpMax = (1 << F.exp_w) - 1;
  localparam int unsigned ExpInW = signed_width(1, ExpMax);

  plena_normalize_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .InW(SumW), .ExpMin(1), .ExpMax(ExpMax)
  ) u_round (
    .sign_i, .exp_i(ExpInW'(exp_i)), .sig_i(sum_i), .inf_i, .nan_i, .code_o(y_o)
  );
endmodule
