// One scalar format to another, rounded once; either may be fixed point.
//
// Golden twin: golden.ops.cast.
// Method:     take the source code apart, plena_fp_pack. ExpW = 0 says fixed point: IntW.ManW bits,
//             two's complement, beyond its range wrapped if Wrap else saturated.
// Specials:   Inf and NaN go to Inf and NaN where the destination has them; see the rounders.
// Latency:    combinational.
module plena_fp_cast_core
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW     = 8,
  parameter  int unsigned SrcManW     = 23,
  parameter  int          SrcBias     = 127,
  parameter  int unsigned SrcSpecials = SpecialsIeee,
  parameter  int unsigned SrcIntW     = 2,
  parameter  int unsigned DstExpW     = 8,
  parameter  int unsigned DstManW     = 7,
  parameter  int          DstBias     = 127,
  parameter  int unsigned DstSpecials = SpecialsIeee,
  parameter  int unsigned DstIntW     = 2,
  parameter  bit          DstWrap     = 1'b0,
  parameter  int unsigned Rounding    = RoundNearestEven,
  parameter  bit          Saturate    = 1'b1,
  localparam int unsigned SrcWidth    = SrcExpW == 0 ? SrcIntW + SrcManW : 1 + SrcExpW + SrcManW,
  localparam int unsigned DstWidth    = DstExpW == 0 ? DstIntW + DstManW : 1 + DstExpW + DstManW
) (
  input  logic [SrcWidth-1:0] a_i,
  output logic [DstWidth-1:0] y_o
);
  if (SrcExpW == 0) begin : gen_from_fixed
    logic [SrcWidth-1:0] mag;
    assign mag = a_i[SrcWidth-1] ? -a_i : a_i;

    plena_fp_pack #(
      .InW(SrcWidth), .ExpMin(0), .ExpMax(0), .ExpOffset(int'(SrcIntW) - 1),
      .ExpW(DstExpW), .ManW(DstManW), .Bias(DstBias), .Specials(DstSpecials), .IntW(DstIntW),
      .Wrap(DstWrap), .Rounding(Rounding), .Saturate(Saturate)
    ) u_pack (
      .sign_i(a_i[SrcWidth-1]), .sig_i(mag), .exp_i('0), .inf_i(1'b0), .nan_i(1'b0), .code_o(y_o)
    );
  end else begin : gen_from_minifloat
    localparam int          ExpMax = max_exp_field(SrcExpW, SrcSpecials);
    localparam int unsigned ExpInW = signed_width(1, ExpMax);
    // Only a subnormal has leading zeros; it is normal in the destination as far as that
    // reaches below.
    localparam int unsigned MaxLz  = max(min(DstBias - SrcBias, SrcManW), 0);

    logic               sign, inf, nan;
    logic [SrcExpW-1:0] exp;
    logic [SrcManW:0]   sig;

    plena_fp_unpack #(
      .ExpW(SrcExpW), .ManW(SrcManW), .Specials(SrcSpecials)
    ) u_unpack (
      .code_i(a_i), .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
    );

    plena_fp_pack #(
      .InW(SrcManW + 1), .ExpMin(1), .ExpMax(ExpMax), .ExpOffset(-SrcBias), .MaxLz(MaxLz),
      .ExpW(DstExpW), .ManW(DstManW), .Bias(DstBias), .Specials(DstSpecials), .IntW(DstIntW),
      .Wrap(DstWrap), .Rounding(Rounding), .Saturate(Saturate)
    ) u_pack (
      .sign_i(sign), .sig_i(sig), .exp_i(ExpInW'(exp)), .inf_i(inf), .nan_i(nan), .code_o(y_o)
    );
  end
endmodule
