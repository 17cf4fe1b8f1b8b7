// SPDX-License-Identifier: Apache-2.0
//
// Correctly rounded sum of two codes of one minifloat: RN(a + b).
//
// Golden twin: golden.ops.add.
// Method:     order by magnitude, align the smaller one under guard, round and sticky bits, add or
//             subtract, normalise, round once. A result in the subnormal range is always exact.
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
  localparam int unsigned SigW   = F.man_w + 1;
  localparam int unsigned AlignW = SigW + 2;                 // with guard and round bit
  localparam int unsigned SumW   = AlignW + 2;               // with sticky bit and carry
  // AlignW places push everything into the sticky bit.
  localparam int unsigned ShiftW = min(F.exp_w, $clog2(AlignW + 1));
  // The carry's binade is one above the larger operand's, whose field (1 .. 2^exp_w - 1) is
  // therefore what plena_normalize calls exp_i.
  localparam int          ExpMax = (1 << F.exp_w) - 1;
  localparam int unsigned ExpInW = signed_width(1, ExpMax);

  logic               a_sign, a_inf, a_nan, b_sign, b_inf, b_nan;
  logic [F.exp_w-1:0] a_exp, b_exp, a_above_b, b_above_a, big_exp, distance;
  logic [SigW-1:0]    a_sig, b_sig, big_sig, lesser_sig;
  logic [ShiftW-1:0]  shift;
  logic [AlignW-1:0]  aligned;
  logic               swap, below, unused_over, subtract, sign, guard, sticky;
  logic [SumW-1:0]    sum;
  logic [ExpInW-2:0]  exp;
  logic [F.man_w:0]   sig;

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

  assign distance           = swap ? b_above_a : a_above_b;
  assign {big_exp, big_sig} = swap ? {b_exp, b_sig} : {a_exp, a_sig};
  assign lesser_sig         = swap ? a_sig : b_sig;
  assign shift              = ShiftW'(distance) | {ShiftW{(distance >> ShiftW) != 0}};

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
    .carry_i(subtract), .sum_o(sum)
  );

  // An exact zero takes the sign that both have, else that of the rounding direction.
  assign sign = sum == '0 && subtract ? Rounding == RoundDown : swap ? b_sign : a_sign;

  plena_normalize #(
    .Fmt(Fmt), .InW(SumW), .ExpMin(1), .ExpMax(ExpMax)
  ) u_normalize (
    .sig_i(sum), .exp_i(ExpInW'(big_exp)),
    .exp_o(exp), .sig_o(sig), .guard_o(guard), .sticky_o(sticky)
  );

  plena_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .ExpInW(ExpInW - 1)
  ) u_round (
    .sign_i(sign), .exp_i(exp), .sig_i(sig), .guard_i(guard), .sticky_i(sticky),
    .inf_i(a_inf || b_inf),
    .nan_i(a_nan || b_nan || (a_inf && b_inf && subtract)),
    .code_o(y_o)
  );
endmodule
