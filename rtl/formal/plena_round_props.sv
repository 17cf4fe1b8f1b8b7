// SPDX-License-Identifier: Apache-2.0
//
// plena_round (with plena_round_up) against what rounding means.
//
// Method:     the number is sig_i and two places below it, shifted to its binade; the guard is
//             worth half a last place and the sticky bit, which is any amount below that, a quarter:
//             no amount strictly between two candidates or halves decides otherwise.
// Specials:   inf_i and nan_i as the header of plena_round says, written out case by case.
// Latency:    combinational.
module plena_round_props
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = E4m3,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned ExpInW   = F.exp_w + 1,
  localparam int unsigned MagW     = F.exp_w + F.man_w
) (
  input  logic              sign_i,     // sign
  input  logic [ExpInW-1:0] exp_i,      // exponent field - 1
  input  logic [F.man_w:0]  sig_i,      // hidden bit, fraction
  input  logic              guard_i,    // first bit cut off
  input  logic              sticky_i,   // OR of the bits after it
  input  logic              inf_i,      // it is an exact Inf
  input  logic              nan_i,      // it is NaN
  input  logic [MagW-1:0]   other_i,    // any other code, left free in proofs
  output logic [MagW:0]     code_o,     // code of the block
  output logic              assumed_o,  // the contract of the inputs
  output logic              holds_o     // what is to be proven
);
  localparam int unsigned   DropW   = 2;
  localparam int unsigned   ExactW  = F.man_w + 1 + DropW + (1 << ExpInW);
  localparam logic [MagW:0] Largest = (MagW + 1)'(max_code(F));
  localparam logic [MagW:0] Nan     = (MagW + 1)'(nan_code(F));
  localparam logic [MagW:0] Inf     = (MagW + 1)'(((1 << F.exp_w) - 1) << F.man_w);
  localparam logic [MagW:0] Sign    = (MagW + 1)'(1 << MagW);

  logic [ExactW-1:0] exact;
  logic              nearest;

  plena_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .ExpInW(ExpInW)
  ) u_dut (
    .sign_i, .exp_i, .sig_i, .guard_i, .sticky_i, .inf_i, .nan_i, .code_o
  );

  assign exact     = ExactW'({sig_i, guard_i, sticky_i}) << exp_i;
  assign assumed_o = sig_i[F.man_w] || exp_i == '0;

  plena_nearest_props #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .DropW(DropW), .ExactW(ExactW)
  ) u_nearest (
    .sign_i, .exact_i(exact), .code_i(code_o), .other_i, .holds_o(nearest)
  );

  always_comb begin
    if (nan_i) begin
      holds_o = code_o == Nan;
    end else if (!inf_i) begin
      holds_o = nearest;
    end else if (F.specials == SpecialsIeee) begin
      holds_o = code_o == (sign_i ? Inf | Sign : Inf);
    end else if (!Saturate && F.specials != SpecialsNone) begin
      holds_o = code_o == Nan;
    end else begin
      holds_o = code_o == (sign_i ? Largest | Sign : Largest);
    end
  end
endmodule
