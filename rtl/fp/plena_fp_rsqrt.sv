// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded reciprocal square roots of one minifloat of up to 16 bits:
// y = RN(1 / sqrt(a)).
//
// Golden twin: golden.ops.rsqrt.
// Method:     normalise | divide 1 by the significand, exactly | root of the quotient | round once.
//             floor(sqrt(floor(q))) is floor(sqrt(q)); both remainders make the sticky bit.
// Latency:    7 cycles; one result a cycle.
// Specials:   a zero gives an exact Inf of its sign, +Inf gives +0; a negative number gives NaN,
//             which is canonical, or the largest value where the format has none.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_rsqrt
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
  localparam int unsigned Latency = 7;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal
    $fatal(1, "plena_fp_rsqrt: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end

  // The operand is significand * 2^whole with a significand in [1, 2); an odd whole lends it a 2.
  localparam int          WholeMin  = 1 - int'(F.man_w) - F.bias;
  localparam int          WholeMax  = (1 << F.exp_w) - 1 - F.bias;
  localparam int unsigned ExpInW    = signed_width(1 - int'(F.man_w), (1 << F.exp_w) - 1);
  localparam int unsigned WholeW    = max(signed_width(WholeMin, WholeMax), 3);
  // 1 / (2 * sqrt) of a significand in [1, 4) is in (1/4, 1/2]: perhaps a zero, man_w + 1 bits, the
  // guard bit. Its square, 1 / (4 * significand), is a zero and 1 / (2 * significand).
  localparam int unsigned RootW     = F.man_w + 3;
  localparam int unsigned QuotW     = 2 * RootW - 1;
  localparam int unsigned DenW      = F.man_w + 3;

  logic               sign, zero, inf, nan;
  logic [ExpInW-1:0]  exp;    // two's complement
  logic [WholeW-1:0]  whole;  // two's complement
  logic [F.man_w:0]   sig;
  logic [F.man_w+1:0] even_sig;

  plena_fp_unpack_normal #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i(a_i), .sign_o(sign), .exp_o(exp), .sig_o(sig), .zero_o(zero), .inf_o(inf), .nan_o(nan)
  );

  assign whole    = WholeW'({{WholeW{exp[ExpInW-1]}}, exp}) - WholeW'(F.bias);
  assign even_sig = whole[0] ? {sig, 1'b0} : {1'b0, sig};

  logic              q_ready, q_valid, q_sign, q_zero, q_inf, q_nan, q_sticky;
  logic [WholeW-2:0] q_half;          // two's complement
  logic [QuotW-1:0]  quot;

  plena_divide_stream #(
    .Width(DenW), .QuotW(QuotW), .SideW(4 + WholeW - 1), .Stages(5)
  ) u_divide (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .num_i(DenW'(1) << F.man_w), .den_i({even_sig, 1'b0}),
    .side_i({sign, zero, inf, nan || (sign && !zero), whole[WholeW-1:1]}),
    .out_valid_o(q_valid), .out_ready_i(q_ready), .quot_o(quot), .sticky_o(q_sticky),
    .side_o({q_sign, q_zero, q_inf, q_nan, q_half})
  );

  logic              r_ready, r_valid, r_sign, r_zero, r_nan, sticky, r_sticky;
  logic [WholeW-2:0] r_half;
  logic [RootW-1:0]  root, r_root;

  plena_square_root #(
    .RootW(RootW)
  ) u_root (
    .radicand_i({1'b0, quot & {QuotW{!q_inf}}}), .root_o(root), .sticky_o(sticky)
  );

  plena_stream_reg #(
    .Width(4 + WholeW - 1 + RootW)
  ) u_stage3 (
    .clk_i, .rst_ni,
    .in_valid_i(q_valid), .in_ready_o(q_ready),
    .in_data_i({q_sign, q_zero, q_nan, (sticky || q_sticky) && !q_inf, q_half, root}),
    .out_valid_o(r_valid), .out_ready_i(r_ready),
    .out_data_o({r_sign, r_zero, r_nan, r_sticky, r_half, r_root})
  );

  logic [Width-1:0] y;

  // ~n is -n - 1.
  plena_fp_pack #(
    .Fmt(Fmt), .InW(RootW + 1), .ExpMin(~(WholeMax >>> 1)), .ExpMax(~(WholeMin >>> 1)),
    .ExpOffset(1), .MaxLz(1), .Rounding(Rounding), .Saturate(Saturate)
  ) u_pack (
    .sign_i(r_sign), .sig_i({r_root, r_sticky}), .exp_i(~r_half),
    .inf_i(r_zero), .nan_i(r_nan), .code_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(r_valid), .in_ready_o(r_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
