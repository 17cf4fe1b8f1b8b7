// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded logistic functions of one minifloat of up to 16 bits:
// y = RN(1 / (1 + e^-a)).
//
// Golden twin: golden.ops.sigmoid.
// Method:     E = e^-|a| by plena_fp_exp2_parts; 1 / (1 + E), or E / (1 + E) if a < 0,
//             by plena_divide_stream; round once. The sticky bit is always set but for
//             a = 0; E never vanishes beside the 1. FracW: see plena_fp_exp, with E's last bit.
// Latency:    10 cycles; one result a cycle.
// Specials:   a zero gives 1/2, +Inf gives 1, -Inf gives +0; NaN is canonical, or the largest value
//             where the format has none.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_sigmoid
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] a_i,          // argument
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] y_o           // rounded result
);
  localparam int unsigned Latency = 10;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal
    $fatal(1, "plena_fp_sigmoid: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end

  // Below 2^-(2^WholeW) a result is below half the smallest number, and E below 1's sticky bit.
  localparam int unsigned WholeW = $clog2(max(F.bias + int'(F.man_w) + 1, F.man_w + 4));
  localparam int unsigned FracW  = 3 * F.man_w + 11;
  localparam int unsigned OneW   = FracW + 1;        // 1 is 2^OneW: E < 1 has one bit more
  localparam int unsigned DenW   = OneW + 2;
  // The quotient is halved and in (1/4, 1): perhaps a zero, man_w + 1 bits, the guard bit;
  // but a bit a stage.
  localparam int unsigned Stages = 5;
  localparam int unsigned QuotW  = max(F.man_w + 3, Stages);

  logic              e_ready, e_valid, e_sign, e_zero, e_inf, e_nan, unused_exact, unused_below;
  logic [WholeW:0]   e_exp;          // two's complement, negative unless a = 0
  logic [FracW:0]    e_sig;
  logic [OneW-1:0]   e_fixed;
  logic              unused_over;

  plena_fp_exp2_parts #(
    .Fmt(Fmt), .Negative(1'b1), .WholeW(WholeW), .FracW(FracW)
  ) u_parts (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .code_i(a_i),
    .out_valid_o(e_valid), .out_ready_i(e_ready), .sign_o(e_sign), .zero_o(e_zero),
    .inf_o(e_inf), .nan_o(e_nan), .exact_o(unused_exact), .exp_o(e_exp), .sig_o(e_sig)
  );

  plena_shift_sticky #(
    .InW(FracW + 1), .OutW(OneW), .ShiftW(WholeW)
  ) u_align (
    .data_i(e_sig), .shift_i(~e_exp[WholeW-1:0]),  // -e_exp - 1
    .data_o(e_fixed), .sticky_o(unused_below), .over_o(unused_over)
  );

  logic              q_ready, q_valid, q_sign, q_zero, q_inf, q_nan, unused_sticky;
  logic [WholeW:0]   q_exp;
  logic [QuotW-1:0]  quot;

  plena_divide_stream #(
    .Width(DenW), .QuotW(QuotW), .SideW(4 + WholeW + 1), .Stages(Stages)
  ) u_divide (
    .clk_i, .rst_ni,
    .in_valid_i(e_valid), .in_ready_o(e_ready),
    .num_i(e_sign ? {1'b0, e_sig, 1'b0} : DenW'(1) << OneW),
    .den_i({1'b1, e_fixed | OneW'(1), 1'b0}),
    .side_i({e_sign, e_zero, e_inf, e_nan, e_sign ? e_exp : '0}),
    .out_valid_o(q_valid), .out_ready_i(q_ready), .quot_o(quot), .sticky_o(unused_sticky),
    .side_o({q_sign, q_zero, q_inf, q_nan, q_exp})
  );

  logic [QuotW:0]    sig;
  logic [WholeW:0]   exp;
  logic [Width-1:0]  y;

  assign sig = q_zero || q_inf ? {!(q_inf && q_sign), QuotW'(0)} : {quot, 1'b1};
  assign exp = q_zero || q_inf ? {(WholeW + 1){q_zero}} : q_exp;  // 1/2, 1, or 0

  plena_fp_pack #(
    .Fmt(Fmt), .InW(QuotW + 1), .ExpMin(-(1 << WholeW)), .ExpMax(0), .ExpOffset(0), .MaxLz(1),
    .Rounding(Rounding), .Saturate(Saturate)
  ) u_pack (
    .sign_i(1'b0), .sig_i(sig), .exp_i(exp), .inf_i(1'b0), .nan_i(q_nan), .code_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(q_valid), .in_ready_o(q_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
