// SPDX-License-Identifier: Apache-2.0
//
// The argument of a power of two: t = a * log2(e), or a itself, in fixed point.
//
// Golden twin: golden.ops.exp, golden.ops.exp2.
// Contract:   t_o is two's complement with FracW fraction bits, less than two units from the true
//             t and on the same side of every integer; exact_o: it is the true t. Beyond
//             -2^WholeW .. 2^WholeW, t_o is the end of that range.
// Method:     the significand times the constant, shifted to the fixed point, cut. Minus that is
//             its one's complement, plus one if nothing was cut.
// Specials:   Inf and NaN are numbers here.
// Latency:    combinational.
module plena_fp_exp2_argument
  import plena_pkg::*;
  import plena_exp2_pkg::*;
#(
  parameter  int unsigned Fmt     = Bf16,
  parameter  bit          Natural = 1'b1,  // t = a * log2(e), else t = a
  parameter  int unsigned WholeW  = 8,
  parameter  int unsigned FracW   = 28,
  localparam fmt_t        F       = minifloat_of(Fmt)
) (
  input  logic                  sign_i,  // sign
  input  logic [F.exp_w-1:0]    exp_i,   // exponent field, 1 for a subnormal
  input  logic [F.man_w:0]      sig_i,   // with the hidden bit
  output logic [WholeW+FracW:0] t_o,     // argument, two's complement, FracW fraction bits
  output logic                  exact_o  // nothing was cut
);
  // The constant's error, times 2^WholeW, stays below half a unit.
  localparam int unsigned LogW  = Natural ? FracW + WholeW + 1 : 0;
  localparam int unsigned ProdW = F.man_w + 1 + LogW + (Natural ? 1 : 0);
  localparam int unsigned OutW  = WholeW + FracW;

  // From exponent field ExpTop + 1 on, a number (a normal one) is beyond the range. At field
  // ExpTop the product weighs 2^Lift units of t; each field less halves it. Bits that leave
  // for certain make room first (Drop); a Lift or Drop by the whole width is as good as any.
  localparam int          ExpTop = max(min(F.bias + int'(WholeW), (1 << F.exp_w) - 1), 1);
  localparam int          Lift   = ExpTop - F.bias - int'(F.man_w) - int'(LogW) + int'(FracW);
  localparam int unsigned LiftW  = max(min(Lift, OutW), 0);
  localparam int unsigned DataW  = ProdW + LiftW;
  localparam int unsigned Drop   = max(min(-Lift, DataW), 0);
  localparam int unsigned ShiftMax = min(ExpTop - 1, DataW);  // by so much, nothing is left
  localparam int unsigned ShiftW   = $clog2(max(ShiftMax, 1) + 1);
  localparam int unsigned FieldW   = max(F.exp_w, ShiftW) + 1;

  logic [ProdW-1:0]  product;
  logic [FieldW-1:0] down;            // ExpTop - exp_i, two's complement
  logic [ShiftW-1:0] shift;
  logic [OutW-1:0]   window, mag;
  logic              over, beyond, sticky;

  if (Natural) begin : gen_natural
    assign product = ProdW'(sig_i) * ProdW'(Log2E[Log2EW-:LogW+1]);
  end else begin : gen_itself
    assign product = sig_i;
  end

  assign down  = FieldW'(ExpTop) - FieldW'(exp_i);
  assign shift = ShiftW'(down) | {ShiftW{({ShiftW'(0), down} >> ShiftW) != '0}};

  plena_shift_sticky #(
    .InW(DataW), .OutW(OutW), .ShiftW(ShiftW), .Drop(Drop)
  ) u_shift (
    .data_i(DataW'(product) << LiftW), .shift_i(shift),
    .data_o(window), .sticky_o(sticky), .over_o(over)
  );

  assign beyond  = down[FieldW-1] || over;
  assign mag     = window | {OutW{beyond}};
  assign exact_o = Natural ? sig_i == '0 : !sticky && !beyond;
  assign t_o     = sign_i ? {1'b1, ~mag} + (OutW + 1)'(exact_o) : {1'b0, mag};
endmodule
