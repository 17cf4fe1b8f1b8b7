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
  parameter  int unsigned ExpW     = 8,
  parameter  int unsigned ManW     = 7,
  parameter  int unsigned Specials = SpecialsIeee,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam int unsigned Width    = 1 + ExpW + ManW
) (
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic [Width-1:0] y_o
);
  localparam int unsigned SigW   = ManW + 1;
  localparam int unsigned AlignW = SigW + 2;                 // with guard and round bit
  localparam int unsigned SumW   = AlignW + 2;               // with sticky bit and carry
  // AlignW places push everything into the sticky bit.
  localparam int unsigned ShiftW = min(ExpW, $clog2(AlignW + 1));
  // The carry's binade is one above the larger operand's, whose field (1 .. 2^ExpW - 1) is
  // therefore what plena_normalize calls exp_i.
  localparam int          ExpMax = (1 << ExpW) - 1;
  localparam int unsigned ExpInW = signed_width(1, ExpMax);

  logic [Width-1:0]  big, lesser;
  logic              big_sign, big_inf, big_nan, lesser_sign, lesser_inf, lesser_nan;
  logic [ExpW-1:0]   big_exp, lesser_exp, distance;
  logic [SigW-1:0]   big_sig, lesser_sig;
  logic [ShiftW-1:0] shift;
  logic [AlignW-1:0] aligned;
  logic              below, unused_over, subtract, sign, guard, sticky;
  logic [SumW-1:0]   sum;
  logic [ExpInW-2:0] exp;
  logic [ManW:0]     sig;

  assign {big, lesser} = a_i[Width-2:0] < b_i[Width-2:0] ? {b_i, a_i} : {a_i, b_i};

  plena_fp_unpack #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
  ) u_unpack_big (
    .code_i(big), .sign_o(big_sign), .exp_o(big_exp), .sig_o(big_sig),
    .inf_o(big_inf), .nan_o(big_nan)
  );
  plena_fp_unpack #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
  ) u_unpack_lesser (
    .code_i(lesser), .sign_o(lesser_sign), .exp_o(lesser_exp), .sig_o(lesser_sig),
    .inf_o(lesser_inf), .nan_o(lesser_nan)
  );

  assign distance = big_exp - lesser_exp;
  assign shift    = ShiftW'(distance) | {ShiftW{(distance >> ShiftW) != 0}};

  plena_shift_sticky #(
    .InW(AlignW), .OutW(AlignW), .ShiftW(ShiftW)
  ) u_align (
    .data_i({lesser_sig, 2'b00}), .shift_i(shift),
    .data_o(aligned), .sticky_o(below), .over_o(unused_over)
  );

  assign subtract = big_sign ^ lesser_sign;
  assign sum = {1'b0, big_sig, 3'b000}
             + ({1'b0, aligned, below} ^ {SumW{subtract}}) + SumW'(subtract);

  // An exact zero takes the sign that both have, else that of the rounding direction.
  assign sign = sum == '0 && subtract ? Rounding == RoundDown : big_sign;

  plena_normalize #(
    .InW(SumW), .ManW(ManW), .ExpMin(1), .ExpMax(ExpMax)
  ) u_normalize (
    .sig_i(sum), .exp_i(ExpInW'(big_exp)),
    .exp_o(exp), .sig_o(sig), .guard_o(guard), .sticky_o(sticky)
  );

  plena_round #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Rounding(Rounding), .Saturate(Saturate),
    .ExpInW(ExpInW - 1)
  ) u_round (
    .sign_i(sign), .exp_i(exp), .sig_i(sig), .guard_i(guard), .sticky_i(sticky),
    .inf_i(big_inf || lesser_inf),
    .nan_i(big_nan || lesser_nan || (big_inf && lesser_inf && subtract)),
    .code_o(y_o)
  );
endmodule
