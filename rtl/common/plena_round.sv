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
//             nearest. nan_i gives the canonical NaN, +max where there is none.
// Latency:    combinational.
module plena_round
  import plena_pkg::*;
#(
  parameter int unsigned ExpW     = 4,
  parameter int unsigned ManW     = 3,
  parameter int unsigned Specials = SpecialsOcpNan,
  parameter int unsigned Rounding = RoundNearestEven,
  parameter bit          Saturate = 1'b1,
  parameter int unsigned ExpInW   = ExpW + 1           // of exp_i; may exceed the field
) (
  input  logic                 sign_i,
  input  logic [ExpInW-1:0]    exp_i,
  input  logic [ManW:0]        sig_i,
  input  logic                 guard_i,
  input  logic                 sticky_i,
  input  logic                 inf_i,
  input  logic                 nan_i,
  output logic [ExpW+ManW:0]   code_o
);
  localparam int unsigned MagW  = ExpW + ManW;              // magnitude of a code
  localparam int unsigned WideW = max(ExpInW, ExpW) + ManW + 1;  // with exp_i and the carry

  localparam logic [MagW-1:0] MaxCode = MagW'(max_code(ExpW, ManW, Specials));
  localparam logic [MagW-1:0] NanCode = MagW'(nan_code(ExpW, ManW, Specials));
  localparam logic [MagW-1:0] InfCode =
      Specials == SpecialsIeee ? MagW'(((1 << ExpW) - 1) << ManW)
    : (Saturate || Specials == SpecialsNone) ? MaxCode : NanCode;
  localparam logic [ManW:0] FracMask = (ManW + 1)'((1 << ManW) - 1);
  // An infinity that becomes NaN loses its sign.
  localparam bit InfIsNan = Specials == SpecialsOcpNan && !Saturate;

  logic [WideW-1:0]      field;  // of the exponent
  logic [1:0][WideW-1:0] mag;    // packed: truncated, and one above
  logic [1:0][MagW:0]    code;   // what becomes of each
  logic                  up, stays_finite;

  assign field  = (WideW'(exp_i) + WideW'(1)) & {WideW{sig_i[ManW]}};
  assign mag[0] = (field << ManW) | WideW'(sig_i & FracMask);
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

  // The last bit of the packed magnitude: the fraction's, or the exponent field's if ManW is 0.
  plena_round_up #(
    .Rounding(Rounding)
  ) u_round_up (
    .sign_i,
    .lsb_i   (mag[0][0]),
    .guard_i,
    .sticky_i,
    .up_o    (up)
  );

  assign code_o = code[up];
endmodule
