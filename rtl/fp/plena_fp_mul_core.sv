// SPDX-License-Identifier: Apache-2.0
//
// Correctly rounded product of two codes of one minifloat: RN(a * b).
//
// Golden twin: golden.ops.mul.
// Method:     multiply the significands as they are, subnormals without normalising them first;
//             normalise the exact product once and round it once.
// Specials:   0 * Inf and any NaN give the canonical NaN; the sign is the XOR of the signs, zeros
//             included. Overflow: see plena_round.
// Latency:    combinational.
module plena_fp_mul_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  parameter  bit          AFlipped = 1'b0,  // a_i has its sign bit flipped: RN(-a * b)
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic [Width-1:0] a_i,  // factor
  input  logic [Width-1:0] b_i,  // factor
  output logic [Width-1:0] y_o   // rounded product
);
  localparam int unsigned SigW  = F.man_w + 1;
  localparam int unsigned ProdW = 2 * SigW;
  // Effective exponent fields are 1 .. 2^exp_w - 1; the product's top bit is one binade above
  // field a + b - bias, so that this sum is what plena_normalize calls exp_i.
  localparam int          ExpMin  = 2 - F.bias;
  localparam int          ExpMax  = 2 * ((1 << F.exp_w) - 1) - F.bias;
  localparam int unsigned SumW    = signed_width(ExpMin, ExpMax);
  // One subnormal factor brings at most man_w + 1 leading zeros. Two of them give a subnormal
  // product (unless the bias is negative), where leading zeros do not count.
  localparam int unsigned MaxLz   = F.bias >= 0 ? F.man_w + 1 : ProdW - 1;

  logic               a_sign, a_inf, a_nan, b_sign, b_inf, b_nan;
  logic [F.exp_w-1:0] a_exp, b_exp;
  logic [SigW-1:0]    a_sig, b_sig;
  logic [ProdW-1:0]   product;
  logic [SumW-1:0]    exp_sum;  // two's complement
  logic [SumW-2:0]    exp;
  logic [F.man_w:0]   sig;
  logic               guard, sticky, inf, nan;

  plena_fp_unpack #(
    .Fmt(Fmt), .Flipped(AFlipped)
  ) u_unpack_a (
    .code_i(a_i), .sign_o(a_sign), .exp_o(a_exp), .sig_o(a_sig), .inf_o(a_inf), .nan_o(a_nan)
  );
  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack_b (
    .code_i(b_i), .sign_o(b_sign), .exp_o(b_exp), .sig_o(b_sig), .inf_o(b_inf), .nan_o(b_nan)
  );

  assign product = ProdW'(a_sig) * ProdW'(b_sig);
  assign exp_sum = SumW'(a_exp) + SumW'(b_exp) - SumW'(F.bias);
  assign nan     = a_nan || b_nan || (a_inf && b_sig == '0) || (b_inf && a_sig == '0);
  assign inf     = a_inf || b_inf;

  plena_normalize #(
    .Fmt(Fmt), .InW(ProdW), .ExpMin(ExpMin), .ExpMax(ExpMax), .MaxLz(MaxLz)
  ) u_normalize (
    .sig_i(product), .exp_i(exp_sum),
    .exp_o(exp), .sig_o(sig), .guard_o(guard), .sticky_o(sticky)
  );

  plena_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .ExpInW(SumW - 1)
  ) u_round (
    .sign_i(a_sign ^ b_sign), .exp_i(exp), .sig_i(sig), .guard_i(guard), .sticky_i(sticky),
    .inf_i(inf), .nan_i(nan), .code_o(y_o)
  );
endmodule
