// SPDX-License-Identifier: Apache-2.0
//
// Exact sum of two codes of one minifloat, with what is below the guard and round bits as one bit.
//
// Contract:   sum_o has its top bit in the binade above exponent field exp_o; plena_normalize_round
//             makes the rounded sum of it.
// Method:     order by magnitude, align the smaller one under guard, round and sticky bits, add or
//             subtract.
// Specials:   x + (-x) is +0 (-0 when rounding down), -0 + -0 is -0; Inf - Inf and any NaN are NaN.
// Latency:    combinational.
module plena_fp_exact_sum
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          BFlipped = 1'b0,  // b_i has its sign bit flipped: a - b
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width,
  localparam int unsigned SumW     = fp_sum_width(F)
) (
  input  logic [Width-1:0]   a_i,     // summand
  input  logic [Width-1:0]   b_i,     // summand
  output logic               sign_o,  // of the sum
  output logic [F.exp_w-1:0] exp_o,   // exponent field of the larger one
  output logic [SumW-1:0]    sum_o,   // carry, significand, guard, round and sticky bit
  output logic               inf_o,   // it is an exact Inf
  output logic               nan_o    // it is NaN
);
  localparam int unsigned SigW   = F.man_w + 1;
  localparam int unsigned AlignW = SumW - 2;  // with guard and round bit, without sticky and carry
  // AlignW places push everything into the sticky bit.
  localparam int unsigned ShiftW = min(F.exp_w, $clog2(AlignW + 1));

  logic               a_sign, a_inf, a_nan, b_sign, b_inf, b_nan;
  logic [F.exp_w-1:0] a_exp, b_exp, a_above_b, b_above_a, distance;
  logic [SigW-1:0]    a_sig, b_sig, big_sig, lesser_sig;
  logic [ShiftW-1:0]  shift;
  logic [AlignW-1:0]  aligned;
  logic               swap, below, unused_over, subtract;

  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack_a (
    .code_i(a_i), .sign_o(a_sign), .exp_o(a_exp), .sig_o(a_sig), .inf_o(a_inf), .nan_o(a_nan)
  );
  plena_fp_unpack #(
    .Fmt(Fmt), .Flipped(BFlipped)
  ) u_unpack_b (
    .code_i(b_i), .sign_o(b_sign), .exp_o(b_exp), .sig_o(b_sig), .inf_o(b_inf), .nan_o(b_nan)
  );

  // Which magnitude is larger is known no sooner than both differences of the exponents.
  assign swap = a_i[Width-2:0] < b_i[Width-2:0];
  plena_select_add #(
    .Width(F.exp_w)
  ) u_a_above_b (
    .a_i(a_exp), .b_i(~b_exp), .carry_i(1'b1), .sum_o(a_above_b)
  );
  plena_select_add #(
    .Width(F.exp_w)
  ) u_b_above_a (
    .a_i(b_exp), .b_i(~a_exp), .carry_i(1'b1), .sum_o(b_above_a)
  );

  assign distance         = swap ? b_above_a : a_above_b;
  assign {exp_o, big_sig} = swap ? {b_exp, b_sig} : {a_exp, a_sig};
  assign lesser_sig       = swap ? a_sig : b_sig;
  assign shift            = ShiftW'(distance) | {ShiftW{(distance >> ShiftW) != 0}};

  plena_shift_sticky #(
    .InW(AlignW), .OutW(AlignW), .ShiftW(ShiftW)
  ) u_align (
    .data_i({lesser_sig, 2'b00}), .shift_i(shift),
    .data_o(aligned), .sticky_o(below), .over_o(unused_over)
  );

  assign subtract = a_sign ^ b_sign;
  plena_select_add #(
    .Width(SumW)
  ) u_sum (
    .a_i({1'b0, big_sig, 3'b000}), .b_i({1'b0, aligned, below} ^ {SumW{subtract}}),
    .carry_i(subtract), .sum_o
  );

  // An exact zero takes the sign that both have, else that of the rounding direction.
  assign sign_o = sum_o == '0 && subtract ? Rounding == RoundDown : swap ? b_sign : a_sign;
  assign inf_o  = a_inf || b_inf;
  assign nan_o  = a_nan || b_nan || (a_inf && b_inf && subtract);
endmodule
