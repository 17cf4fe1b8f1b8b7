// The partial of a block: its exact dot, scaled and rounded once to the accumulator format.
//
// Golden twin: golden.ops.dot.round_partial.
// Contract:   partial_o = RN_acc(sum_i * 2^(lsb_a + lsb_b + ea + eb)), lsb as in plena_mx_dot_core;
//             scale_i is the sum of both scale codes.
// Specials:   nan_i makes the partial NaN (the largest value where the accumulator format has
//             none). Overflow saturates, or wraps if AccWrap; Saturate = 0 overflows as IEEE 754
//             does. A zero dot is +0.
// Latency:    combinational.
module plena_mx_partial_core
  import plena_pkg::*;
#(
  parameter  int unsigned AExpW       = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW       = 6,
  parameter  int          ABias       = 0,
  parameter  int unsigned ASpecials   = SpecialsNone,
  parameter  int unsigned AScaleW     = 8,
  parameter  int unsigned BExpW       = 0,
  parameter  int unsigned BManW       = 6,
  parameter  int          BBias       = 0,
  parameter  int unsigned BSpecials   = SpecialsNone,
  parameter  int unsigned BScaleW     = 8,
  parameter  int unsigned BlockSize   = 32,
  parameter  int unsigned AccExpW     = 8,              // 0: fixed point, AccIntW.AccManW bits
  parameter  int unsigned AccManW     = 23,
  parameter  int          AccBias     = 127,
  parameter  int unsigned AccSpecials = SpecialsIeee,
  parameter  int unsigned AccIntW     = 2,
  parameter  bit          AccWrap     = 1'b0,
  parameter  bit          Saturate    = 1'b1,
  localparam int unsigned SumW        = mx_product_width(AExpW, AManW, ASpecials,
                                                         BExpW, BManW, BSpecials)
                                      + $clog2(BlockSize),
  localparam int unsigned ScaleSumW   = max(AScaleW, BScaleW) + 1,
  localparam int unsigned AccWidth    = AccExpW == 0 ? AccIntW + AccManW : 1 + AccExpW + AccManW
) (
  input  logic [SumW-1:0]      sum_i,      // two's complement
  input  logic [ScaleSumW-1:0] scale_i,
  input  logic                 nan_i,
  output logic [AccWidth-1:0]  partial_o
);
  // The magnitude needs no more than SumW - 1 bits; what its top bit weighs at scale codes 0
  // follows from the units of both elements and the biases of both scales.
  localparam int ALsb      = (AExpW == 0 ? 0 : 1 - ABias) - int'(AManW);
  localparam int BLsb      = (BExpW == 0 ? 0 : 1 - BBias) - int'(BManW);
  localparam int ScaleBias = (1 << (AScaleW - 1)) - 1 + (1 << (BScaleW - 1)) - 1;
  localparam int ScaleMax  = (1 << AScaleW) + (1 << BScaleW) - 2;
  localparam int unsigned ExpInW = signed_width(0, ScaleMax);

  logic [SumW-2:0] mag;

  assign mag = sum_i[SumW-1] ? -sum_i[SumW-2:0] : sum_i[SumW-2:0];

  plena_fp_pack #(
    .InW(SumW - 1), .ExpMin(0), .ExpMax(ScaleMax),
    .ExpOffset(int'(SumW) - 2 + ALsb + BLsb - ScaleBias),
    .ExpW(AccExpW), .ManW(AccManW), .Bias(AccBias), .Specials(AccSpecials), .IntW(AccIntW),
    .Wrap(AccWrap), .Saturate(Saturate)
  ) u_pack (
    .sign_i(sum_i[SumW-1]), .sig_i(mag), .exp_i(ExpInW'(scale_i)), .inf_i(1'b0),
    .nan_i(nan_i), .code_o(partial_o)
  );
endmodule
