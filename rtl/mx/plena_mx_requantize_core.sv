// A block of one MX format to a block of another, from the exact values.
//
// Golden twin: golden.ops.mx_requantize.
// Method:     every element times its scale is exact in a minifloat wide enough for all of them;
//             plena_mx_to_fp_core makes it, plena_fp_to_mx_core quantises it.
// Specials:   a NaN scale makes every element NaN; see plena_fp_to_mx_core.
// Latency:    combinational.
module plena_mx_requantize_core
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW      = 0,              // 0: MXINT of 2 + SrcManW bits
  parameter  int unsigned SrcManW      = 6,
  parameter  int          SrcBias      = 0,
  parameter  int unsigned SrcSpecials  = SpecialsNone,
  parameter  int unsigned SrcScaleW    = 8,
  parameter  int unsigned DstExpW      = 0,
  parameter  int unsigned DstManW      = 2,
  parameter  int          DstBias      = 0,
  parameter  int unsigned DstSpecials  = SpecialsNone,
  parameter  int unsigned DstScaleW    = 8,
  parameter  int unsigned DstScaleRule = RuleFloor,
  parameter  bit          DstSymmetric = 1'b1,
  parameter  int unsigned DstRounding  = RoundNearestEven,
  parameter  int unsigned BlockSize    = 32,
  localparam int unsigned SrcWidth     = SrcExpW == 0 ? 2 + SrcManW : 1 + SrcExpW + SrcManW,
  localparam int unsigned DstWidth     = DstExpW == 0 ? 2 + DstManW : 1 + DstExpW + DstManW
) (
  input  logic [BlockSize-1:0][SrcWidth-1:0] codes_i,
  input  logic             [SrcScaleW-1:0]   scale_i,
  output logic [BlockSize-1:0][DstWidth-1:0] codes_o,
  output logic             [DstScaleW-1:0]   scale_o
);
  // Exponents of the smallest and the largest element, and of the scale.
  localparam bit IsInt    = SrcExpW == 0;
  localparam int ElemLow  = (IsInt ? 0 : 1 - SrcBias) - int'(SrcManW);
  localparam int ElemHigh = IsInt ? 1 : int'(max_exp_field(SrcExpW, SrcSpecials)) - SrcBias;
  localparam int ScaleLow = 1 - (1 << (SrcScaleW - 1));
  localparam int ScaleHigh = ScaleLow + (1 << SrcScaleW) - 1;
  // Fields 1 .. 1 + high - low are normal numbers; there are no subnormals. One more is for Inf.
  localparam int          Bias = 1 - (ElemLow + ScaleLow);
  localparam int unsigned ExpW = $clog2(ElemHigh + ScaleHigh - ElemLow - ScaleLow + 3);
  localparam int unsigned ManW = max(SrcManW, 1);  // Inf and NaN need one fraction bit

  logic [BlockSize-1:0][ExpW+ManW:0] values;

  plena_mx_to_fp_core #(
    .ElemExpW(SrcExpW), .ElemManW(SrcManW), .ElemBias(SrcBias), .ElemSpecials(SrcSpecials),
    .BlockSize(BlockSize), .ScaleW(SrcScaleW),
    .DstExpW(ExpW), .DstManW(ManW), .DstBias(Bias), .DstSpecials(SpecialsIeee)
  ) u_values (
    .codes_i, .scale_i, .y_o(values)
  );

  plena_fp_to_mx_core #(
    .SrcExpW(ExpW), .SrcManW(ManW), .SrcBias(Bias), .SrcSpecials(SpecialsIeee),
    .ElemExpW(DstExpW), .ElemManW(DstManW), .ElemBias(DstBias), .ElemSpecials(DstSpecials),
    .BlockSize(BlockSize), .ScaleW(DstScaleW), .ScaleRule(DstScaleRule),
    .Symmetric(DstSymmetric), .Rounding(DstRounding)
  ) u_quantize (
    .x_i(values), .codes_o, .scale_o
  );
endmodule
