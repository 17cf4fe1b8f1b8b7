// SPDX-License-Identifier: Apache-2.0
//
// MX element codes and their scale to scalar codes: each element times 2^scale_exp, rounded once.
//
// Golden twin: golden.ops.mx_to_fp.
// Method:     per lane, the element's exponent plus the scale, plena_fp_pack.
// Specials:   a NaN scale makes every lane NaN; Inf and NaN elements stay what they are.
// Latency:    combinational.
module plena_mx_to_fp_core
  import plena_pkg::*;
#(
  parameter  bit [63:0]   Mx        = pack_mxint(8, 32),
  parameter  int unsigned DstFmt    = Bf16,  // minifloat or fixed point
  parameter  int unsigned Rounding  = RoundNearestEven,
  parameter  bit          Saturate  = 1'b1,
  localparam mx_t         M         = mx_of(Mx),
  localparam fmt_t        Dst       = fmt_of(DstFmt),
  localparam int unsigned BlockSize = M.block_size,
  localparam int unsigned ElemWidth = M.elem.width,
  localparam int unsigned DstWidth  = Dst.width
) (
  input  logic [BlockSize-1:0][ElemWidth-1:0] codes_i,  // elements, lane 0 lowest
  input  logic                [M.scale_w-1:0] scale_i,  // their scale code
  output logic [BlockSize-1:0][DstWidth-1:0]  y_o       // block of codes, lane 0 lowest
);
  localparam bit          IsInt     = M.elem.exp_w == 0;
  localparam int          CodeMax   = max_scale_code(M);
  // An element is {sign, magnitude, exponent of its top bit}: for MXINT the magnitude has the
  // code's width and its top bit weighs 2, for MXFP it is hidden bit and fraction.
  localparam int unsigned SigW      = IsInt ? ElemWidth : M.elem.man_w + 1;
  localparam int          ElemMin   = IsInt ? 0 : 1;
  localparam int          ElemMax   = IsInt ? 0 : int'(max_exp_field(M.elem));
  localparam int          ExpOffset = (IsInt ? 1 : -M.elem.bias) - scale_bias(M);
  localparam int unsigned ExpInW    = signed_width(ElemMin, ElemMax + CodeMax);

  logic scale_nan;
  assign scale_nan = has_scale_nan(M) && scale_i == '1;

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
      logic [M.elem.exp_w-1:0] elem_exp;
      plena_fp_unpack #(
        .Fmt(elem_fmt(Mx))
      ) u_unpack (
        .code_i(codes_i[lane]), .sign_o(sign), .exp_o(elem_exp), .sig_o(sig),
        .inf_o(inf), .nan_o(nan)
      );
      assign exp = ExpInW'(elem_exp) + ExpInW'(scale_i);
    end

    plena_fp_pack #(
      .Fmt(DstFmt), .InW(SigW), .ExpMin(ElemMin), .ExpMax(ElemMax + CodeMax), .ExpOffset(ExpOffset),
      .Rounding(Rounding), .Saturate(Saturate)
    ) u_pack (
      .sign_i(sign), .sig_i(sig), .exp_i(exp), .inf_i(inf), .nan_i(nan || scale_nan),
      .code_o(y_o[lane])
    );
  end
endmodule
