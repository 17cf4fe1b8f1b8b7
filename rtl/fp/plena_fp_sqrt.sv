// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded square roots of one minifloat of up to 16 bits: y = RN(sqrt(a)).
//
// Golden twin: golden.ops.sqrt.
// Method:     normalise, root of the significand, exactly | round once. The root has the bits of
//             the result and a guard bit, the remainder is the sticky bit.
// Latency:    2 cycles; one result a cycle.
// Specials:   a zero keeps its sign; a negative number gives NaN, which is canonical, or the
//             largest value where the format has none; +Inf gives Inf.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_sqrt
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
  localparam int unsigned Latency = 2;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal
    $fatal(1, "plena_fp_sqrt: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end

  // The operand is significand * 2^whole with a significand in [1, 2); an odd whole lends it a 2.
  localparam int          WholeMin = 1 - int'(F.man_w) - F.bias;
  localparam int          WholeMax = (1 << F.exp_w) - 1 - F.bias;
  localparam int unsigned ExpInW   = signed_width(1 - int'(F.man_w), (1 << F.exp_w) - 1);
  localparam int unsigned WholeW   = max(signed_width(WholeMin, WholeMax), 3);
  localparam int unsigned RootW    = F.man_w + 2;  // root in [1, 2), and the guard bit

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

  logic              s1_ready, s1_valid, s1_sign, s1_inf, s1_nan, sticky, s1_sticky;
  logic [WholeW-2:0] s1_half;         // two's complement
  logic [RootW-1:0]  root, s1_root;
  logic [Width-1:0]  y;

  plena_square_root #(
    .RootW(RootW)
  ) u_root (
    .radicand_i({even_sig, (F.man_w + 2)'(0)}), .root_o(root), .sticky_o(sticky)
  );

  plena_stream_reg #(
    .Width(4 + WholeW - 1 + RootW)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .in_data_i({sign, inf, nan || (sign && !zero), sticky, whole[WholeW-1:1], root}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .out_data_o({s1_sign, s1_inf, s1_nan, s1_sticky, s1_half, s1_root})
  );

  plena_fp_pack #(
    .Fmt(Fmt), .InW(RootW + 1), .ExpMin(WholeMin >>> 1), .ExpMax(WholeMax >>> 1), .ExpOffset(0),
    .MaxLz(0), .Rounding(Rounding), .Saturate(Saturate)
  ) u_pack (
    .sign_i(s1_sign), .sig_i({s1_root, s1_sticky}), .exp_i(s1_half), .inf_i(s1_inf),
    .nan_i(s1_nan), .code_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
