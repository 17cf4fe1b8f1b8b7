// SPDX-License-Identifier: Apache-2.0
//
// A number becomes a code of a minifloat: normalised, then rounded once.
//
// Contract:   sig_i has its top bit in the binade of exponent field exp_i + 1.
// Method:     plena_normalize, plena_round.
// Specials:   see plena_round.
// Latency:    combinational.
module plena_normalize_round
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  parameter  int unsigned InW      = 8,
  parameter  int          ExpMin   = 0,   // smallest exp_i
  parameter  int          ExpMax   = 15,  // largest exp_i
  // Leading zeros of a number that is normal in the destination never exceed MaxLz.
  parameter  int unsigned MaxLz    = InW - 1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned ExpInW   = signed_width(ExpMin, ExpMax)
) (
  input  logic               sign_i,  // sign
  input  logic [ExpInW-1:0]  exp_i,   // exponent field - 1 of the top bit, two's complement
  input  logic [InW-1:0]     sig_i,   // significand
  input  logic               inf_i,   // it is an exact Inf
  input  logic               nan_i,   // it is NaN
  output logic [F.width-1:0] code_o   // rounded code
);
  logic [ExpInW-2:0] exp;
  logic [F.man_w:0]  sig;
  logic              guard, sticky;

  plena_normalize #(
    .Fmt(Fmt), .InW(InW), .ExpMin(ExpMin), .ExpMax(ExpMax), .MaxLz(MaxLz)
  ) u_normalize (
    .sig_i, .exp_i, .exp_o(exp), .sig_o(sig), .guard_o(guard), .sticky_o(sticky)
  );

  plena_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .ExpInW(ExpInW - 1)
  ) u_round (
    .sign_i, .exp_i(exp), .sig_i(sig), .guard_i(guard), .sticky_i(sticky), .inf_i, .nan_i, .code_o
  );
endmodule
