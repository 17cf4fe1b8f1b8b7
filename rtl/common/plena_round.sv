// SPDX-License-Identifier: Apache-2.0
//
// The one rounder for minifloat destinations: a truncated number becomes a code, rounded once.
//
// Golden twin: golden.codec.encode for a Minifloat.
// Method:     exponent and fraction are one packed integer, so that a carry out of the fraction
//             needs no case of its own: a subnormal that rounds up to the smallest normal, a
//             fraction that overflows. exp_i is the field minus one of a number with a hidden bit;
//             a number without one is subnormal and its exp_i is not looked at. Overflow and
//             specials are settled for both outcomes; the rounding decision only chooses.
// Specials:   beyond the largest finite code: that code if Saturate, else IEEE 754 §7.4 (Inf, or
//             NaN where there is no Inf, or the largest where there is neither; directed modes stay
//             finite toward zero). inf_i is exact: Inf if the format has it, else as overflow to
//             nearest. nan_i gives the canonical NaN, +max where there is none. A zero keeps its
//             sign where the format has -0.
// Latency:    combinational.
module plena_round
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = E4m3,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  parameter  int unsigned ExpInW   = F.exp_w + 1  // of exp_i; may exceed the field
) (
  input  logic               sign_i,    // sign
  input  logic [ExpInW-1:0]  exp_i,     // exponent field - 1
  input  logic [F.man_w:0]   sig_i,     // hidden bit, fraction
  input  logic               guard_i,   // first bit cut off
  input  logic               sticky_i,  // OR of the bits after it
  input  logic               inf_i,     // it is an exact Inf
  input  logic               nan_i,     // it is NaN
  output logic [F.width-1:0] code_o     // rounded code
);
  localparam int unsigned MagW  = F.exp_w + F.man_w;  // magnitude of a code
  localparam int unsigned WideW = max(ExpInW, F.exp_w) + F.man_w + 1;  // with exp_i and the carry

  localparam logic [MagW-1:0] MaxCode = MagW'(max_code(F));
  localparam logic [MagW-1:0] NanCode = MagW'(nan_code(F));
  localparam logic [MagW-1:0] InfCode =
      F.specials == SpecialsIeee ? MagW'(((1 << F.exp_w) - 1) << F.man_w)
    : (Saturate || F.specials == SpecialsNone) ? MaxCode : NanCode;
  localparam logic [F.man_w:0] FracMask = (F.man_w + 1)'((1 << F.man_w) - 1);
  // An infinity that becomes NaN loses its sign.
  localparam bit InfIsNan = !Saturate
                         && (F.specials == SpecialsOcpNan || F.specials == SpecialsFnuz);

  logic [WideW-1:0]      field;  // of the exponent
  logic [1:0][WideW-1:0] mag;    // packed: truncated, and one above
  logic [1:0][MagW:0]    code;   // what becomes of each
  logic                  up, stays_finite;

  assign field  = (WideW'(exp_i) + WideW'(1)) & {WideW{sig_i[F.man_w]}};
  assign mag[0] = (field << F.man_w) | WideW'(sig_i & FracMask);
  assign mag[1] = mag[0] + WideW'(1);

  assign stays_finite = Saturate || Rounding == RoundTowardZero
                     || (Rounding == RoundUp && sign_i) || (Rounding == RoundDown && !sign_i);

  for (genvar outcome = 0; outcome < 2; outcome++) begin : gen_outcome
    logic over, to_inf, sign;
    // One above is over if the truncated one is not below.
    assign over   = outcome == 0 ? mag[0] > WideW'(MaxCode) : mag[0] >= WideW'(MaxCode);
    assign to_inf = inf_i || (over && !stays_finite);
    assign sign   = sign_i && !nan_i && !(InfIsNan && to_inf);
    assign code[outcome] = {sign, nan_i  ? NanCode
                                : to_inf ? InfCode
                                : over   ? MaxCode : mag[outcome][MagW-1:0]};
  end

  // The last bit of the packed magnitude: the fraction's, or the exponent field's if man_w is 0.
  plena_round_up #(
    .Rounding(Rounding)
  ) u_round_up (
    .sign_i,
    .lsb_i   (mag[0][0]),
    .guard_i,
    .sticky_i,
    .up_o    (up)
  );

  if (F.specials == SpecialsFnuz) begin : gen_fnuz
    // With the sign bit a magnitude of 0 is NaN, without it the one zero.
    logic            to_inf, sign;
    logic [MagW-1:0] magnitude;
    assign to_inf            = up ? gen_outcome[1].to_inf : gen_outcome[0].to_inf;
    assign {sign, magnitude} = code[up];
    assign code_o = {magnitude == '0 ? nan_i || (InfIsNan && to_inf) : sign, magnitude};
  end else begin : gen_signed
    assign code_o = code[up];
  end
endmodule
