// SPDX-License-Identifier: Apache-2.0
//
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
  parameter  bit [63:0]   SrcMx     = pack_mxint(8, 32),
  parameter  bit [63:0]   DstMx     = pack_mxint(4, 32),
  localparam mx_t         Src       = mx_of(SrcMx),
  localparam mx_t         Dst       = mx_of(DstMx),
  localparam int unsigned BlockSize = Src.block_size,
  localparam int unsigned SrcWidth  = Src.elem.width,
  localparam int unsigned DstWidth  = Dst.elem.width
) (
  input  logic [BlockSize-1:0][SrcWidth-1:0]    codes_i,  // elements, lane 0 lowest
  input  logic                [Src.scale_w-1:0] scale_i,  // their scale code
  output logic [BlockSize-1:0][DstWidth-1:0]    codes_o,  // elements, lane 0 lowest
  output logic                [Dst.scale_w-1:0] scale_o   // their scale code
);
  // Exponents of the smallest and the largest element, and of the scale.
  localparam bit IsInt     = Src.elem.exp_w == 0;
  localparam int ElemLow   = (IsInt ? 0 : 1 - Src.elem.bias) - int'(Src.elem.man_w);
  localparam int ElemHigh  = IsInt ? 1 : int'(max_exp_field(Src.elem)) - Src.elem.bias;
  localparam int ScaleLow  = -scale_bias(Src);
  localparam int ScaleHigh = ScaleLow + (1 << Src.scale_w) - 1;
  // Fields 1 .. 1 + high - low are normal numbers; there are no subnormals. One more is for Inf.
  // Wider than golden's minifloats, but a Fmt has the room.
  localparam int          Bias = 1 - (ElemLow + ScaleLow);
  localparam int unsigned ExpW = $clog2(ElemHigh + ScaleHigh - ElemLow - ScaleLow + 3);
  localparam int unsigned ManW = max(Src.elem.man_w, 1);  // Inf and NaN need one fraction bit
  localparam int unsigned Fmt  = pack_minifloat(ExpW, ManW, Bias, SpecialsIeee);

  logic [BlockSize-1:0][ExpW+ManW:0] values;

  plena_mx_to_fp_core #(
    .Mx(SrcMx), .DstFmt(Fmt)
  ) u_values (
    .codes_i, .scale_i, .y_o(values)
  );

  plena_fp_to_mx_core #(
    .SrcFmt(Fmt), .Mx(DstMx)
  ) u_quantize (
    .x_i(values), .codes_o, .scale_o
  );
endmodule
