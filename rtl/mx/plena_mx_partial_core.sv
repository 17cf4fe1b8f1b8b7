// SPDX-License-Identifier: Apache-2.0
//
// The partial of a block: its exact dot, scaled and rounded once to the accumulator format.
//
// Golden twin: golden.ops.dot.round_partial.
// Contract:   partial_o = RN_acc(sum_i * 2^(lsb_a + lsb_b + ea + eb)), lsb as in plena_mx_dot_core;
//             scale_i is the sum of both scale codes.
// Specials:   nan_i makes the partial NaN (the largest value where the accumulator format has
//             none). Overflow saturates, or wraps if AccFmt does; Saturate = 0 overflows as
//             IEEE 754 does. A zero dot is +0.
// Latency:    combinational.
module plena_mx_partial_core
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  bit          Saturate  = 1'b1,
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam int unsigned SumW      = mx_dot_width(A, B),
  localparam int unsigned ScaleSumW = scale_sum_width(A, B),
  localparam int unsigned AccWidth  = Acc.width
) (
  input  logic [SumW-1:0]      sum_i,     // exact dot, two's complement
  input  logic [ScaleSumW-1:0] scale_i,   // sum of both scale codes
  input  logic                 nan_i,     // an element or a scale is NaN
  output logic [AccWidth-1:0]  partial_o  // rounded partial
);
  localparam int unsigned ScaleMax = scale_sum_max(A, B);
  localparam int unsigned ExpInW   = signed_width(0, int'(ScaleMax));

  logic [SumW-2:0] mag;

  assign mag = sum_i[SumW-1] ? -sum_i[SumW-2:0] : sum_i[SumW-2:0];

  plena_fp_pack #(
    .Fmt(AccFmt), .InW(SumW - 1), .ExpMin(0), .ExpMax(int'(ScaleMax)),
    .ExpOffset(mx_dot_exp_offset(A, B)), .Saturate(Saturate)
  ) u_pack (
    .sign_i(sum_i[SumW-1]), .sig_i(mag), .exp_i(ExpInW'(scale_i)), .inf_i(1'b0),
    .nan_i(nan_i), .code_o(partial_o)
  );
endmodule
