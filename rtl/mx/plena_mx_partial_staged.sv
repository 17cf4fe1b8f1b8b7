// SPDX-License-Identifier: Apache-2.0
//
// The partial of a block, as plena_mx_partial_core makes it, in two cycles.
//
// Golden twin: golden.ops.dot.round_partial.
// Contract:   as plena_mx_partial_core.
// Method:     magnitude | normalise and round once, a register between them.
// Specials:   as plena_mx_partial_core, saturating.
// Latency:    1 cycle, of those with enable_i.
// Reset:      none.
module plena_mx_partial_staged
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam int unsigned SumW      = mx_dot_width(A, B),
  localparam int unsigned ScaleSumW = scale_sum_width(A, B),
  localparam int unsigned AccWidth  = Acc.width
) (
  input  logic                 clk_i,     // clock
  input  logic                 enable_i,  // step
  input  logic [SumW-1:0]      sum_i,     // exact dot, two's complement
  input  logic [ScaleSumW-1:0] scale_i,   // sum of both scale codes
  input  logic                 nan_i,     // an element or a scale is NaN
  output logic [AccWidth-1:0]  partial_o  // rounded partial
);
  localparam int unsigned ScaleMax = scale_sum_max(A, B);
  localparam int unsigned ExpInW   = signed_width(0, int'(ScaleMax));

  logic                 sign_q, nan_q;
  logic [SumW-2:0]      mag_q;
  logic [ScaleSumW-1:0] scale_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      sign_q  <= sum_i[SumW-1];
      mag_q   <= sum_i[SumW-1] ? -sum_i[SumW-2:0] : sum_i[SumW-2:0];
      scale_q <= scale_i;
      nan_q   <= nan_i;
    end
  end

  plena_fp_pack #(
    .Fmt(AccFmt), .InW(SumW - 1), .ExpMin(0), .ExpMax(int'(ScaleMax)),
    .ExpOffset(mx_dot_exp_offset(A, B))
  ) u_pack (
    .sign_i(sign_q), .sig_i(mag_q), .exp_i(ExpInW'(scale_q)), .inf_i(1'b0), .nan_i(nan_q),
    .code_o(partial_o)
  );
endmodule
