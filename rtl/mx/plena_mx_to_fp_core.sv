// MX element codes and their scale to scalar codes: each element times 2^scale_exp, rounded once.
//
// Golden twin: golden.ops.mx_to_fp.
// Method:     per lane, the element's exponent plus the scale, plena_fp_pack.
// Specials:   a NaN scale makes every lane NaN; Inf and NaN elements stay what they are.
// Latency:    combinational.
module plena_mx_to_fp_core
  import plena_pkg::*;
#(
  parameter  int unsigned ElemExpW     = 0,              // 0: MXINT of 2 + ElemManW bits
  parameter  int unsigned ElemManW     = 6,
  parameter  int          ElemBias     = 0,
  parameter  int unsigned ElemSpecials = SpecialsNone,
  parameter  int unsigned BlockSize    = 32,
  parameter  int unsigned ScaleW       = 8,
  parameter  int unsigned DstExpW      = 8,
  parameter  int unsigned DstManW      = 7,
  parameter  int          DstBias      = 127,
  parameter  int unsigned DstSpecials  = SpecialsIeee,
  parameter  int unsigned DstIntW      = 2,
  parameter  bit          DstWrap      = 1'b0,
  parameter  int unsigned Rounding     = RoundNearestEven,
  parameter  bit          Saturate     = 1'b1,
  localparam int unsigned ElemWidth    = ElemExpW == 0 ? 2 + ElemManW : 1 + ElemExpW + ElemManW,
  localparam int unsigned DstWidth     = DstExpW == 0 ? DstIntW + DstManW : 1 + DstExpW + DstManW
) (
  input  logic [BlockSize-1:0][ElemWidth-1:0] codes_i,
  input  logic                [ScaleW-1:0]    scale_i,
  output logic [BlockSize-1:0][DstWidth-1:0]  y_o
);
  localparam bit          IsInt     = ElemExpW == 0;
  localparam bit          HasNan    = ScaleW == 8;
  localparam int          ScaleBias = (1 << (ScaleW - 1)) - 1;
  localparam int          CodeMax   = (1 << ScaleW) - (HasNan ? 2 : 1);
  // An element is {sign, magnitude, exponent of its top bit}: for MXINT the magnitude has the
  // code's width and its top bit weighs 2, for MXFP it is hidden bit and fraction.
  localparam int unsigned SigW      = IsInt ? ElemWidth : ElemManW + 1;
  localparam int          ElemMin   = IsInt ? 0 : 1;
  localparam int          ElemMax   = IsInt ? 0 : int'(max_exp_field(ElemExpW, ElemSpecials));
  localparam int          ExpOffset = (IsInt ? 1 : -ElemBias) - ScaleBias;
  localparam int unsigned ExpInW    = signed_width(ElemMin, ElemMax + CodeMax);

  logic scale_nan;
  assign scale_nan = HasNan && scale_i == '1;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_lane
    logic              sign, inf, nan;
    logic [SigW-1:0]   sig;
    logic [ExpInW-1:0] exp;

    if (IsInt) begin : gen_int
      assign sign = codes_i[lane][ElemWidth-1];
      assign sig  = sign ? -codes_i[lane] : codes_i[lane];
      assign exp  = ExpInW'(scale_i);
      assign inf  = 1'b0;
      assign nan  = 1'b0;
    end else begin : gen_fp
      logic [ElemExpW-1:0] elem_exp;
      plena_fp_unpack #(
        .ExpW(ElemExpW), .ManW(ElemManW), .Specials(ElemSpecials)
      ) u_unpack (
        .code_i(codes_i[lane]), .sign_o(sign), .exp_o(elem_exp), .sig_o(sig),
        .inf_o(inf), .nan_o(nan)
      );
      assign exp = ExpInW'(elem_exp) + ExpInW'(scale_i);
    end

    plena_fp_pack #(
      .InW(SigW), .ExpMin(ElemMin), .ExpMax(ElemMax + CodeMax), .ExpOffset(ExpOffset),
      .ExpW(DstExpW), .ManW(DstManW), .Bias(DstBias), .Specials(DstSpecials), .IntW(DstIntW),
      .Wrap(DstWrap), .Rounding(Rounding), .Saturate(Saturate)
    ) u_pack (
      .sign_i(sign), .sig_i(sig), .exp_i(exp), .inf_i(inf), .nan_i(nan || scale_nan),
      .code_o(y_o[lane])
    );
  end
endmodule
