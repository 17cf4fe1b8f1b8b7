// SPDX-License-Identifier: Apache-2.0
//
// One scalar format to another, rounded once; either may be fixed point.
//
// Golden twin: golden.ops.cast.
// Method:     take the source code apart, plena_fp_pack.
// Specials:   Inf and NaN go to Inf and NaN where the destination has them; see the rounders.
// Latency:    combinational.
module plena_fp_cast_core
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt   = Fp32,  // minifloat or fixed point
  parameter  int unsigned DstFmt   = Bf16,  // minifloat or fixed point
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        Src      = fmt_of(SrcFmt),
  localparam fmt_t        Dst      = fmt_of(DstFmt),
  localparam int unsigned SrcWidth = Src.width,
  localparam int unsigned DstWidth = Dst.width
) (
  input  logic [SrcWidth-1:0] a_i,  // code of SrcFmt
  output logic [DstWidth-1:0] y_o   // code of DstFmt
);
  if (Src.exp_w == 0) begin : gen_from_fixed
    logic [SrcWidth-1:0] mag;
    assign mag = a_i[SrcWidth-1] ? -a_i : a_i;

    plena_fp_pack #(
      .Fmt(DstFmt), .InW(SrcWidth), .ExpMin(0), .ExpMax(0), .ExpOffset(int'(Src.int_w) - 1),
      .Rounding(Rounding), .Saturate(Saturate)
    ) u_pack (
      .sign_i(a_i[SrcWidth-1]), .sig_i(mag), .exp_i('0), .inf_i(1'b0), .nan_i(1'b0), .code_o(y_o)
    );
  end else begin : gen_from_minifloat
    localparam int          ExpMax = max_exp_field(Src);
    localparam int unsigned ExpInW = signed_width(1, ExpMax);
    // Only a subnormal has leading zeros; it is normal in the destination as far as that
    // reaches below.
    localparam int unsigned MaxLz  = max(min(Dst.bias - Src.bias, Src.man_w), 0);

    logic                 sign, inf, nan;
    logic [Src.exp_w-1:0] exp;
    logic [Src.man_w:0]   sig;

    plena_fp_unpack #(
      .Fmt(SrcFmt)
    ) u_unpack (
      .code_i(a_i), .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
    );

    plena_fp_pack #(
      .Fmt(DstFmt), .InW(Src.man_w + 1), .ExpMin(1), .ExpMax(ExpMax), .ExpOffset(-Src.bias),
      .MaxLz(MaxLz), .Rounding(Rounding), .Saturate(Saturate)
    ) u_pack (
      .sign_i(sign), .sig_i(sig), .exp_i(ExpInW'(exp)), .inf_i(inf), .nan_i(nan), .code_o(y_o)
    );
  end
endmodule
