// SPDX-License-Identifier: Apache-2.0
//
// Stream of powers of two, not yet rounded: 2^t = sig_o * 2^exp_o, t = a * log2(e) or a.
//
// Golden twin: golden.ops.exp, golden.ops.exp2.
// Method:     plena_fp_exp2_argument | plena_exp2_fraction. exp_o is floor(t), sig_o is in [1, 2).
// Contract:   sig_o has FracW fraction bits and is less than 2^(4 - FracW) from the true one, on
//             the same side of 1 and 2; exact_o: it is the true one.
// Specials:   a zero gives exactly 1; neither number means anything for an Inf or NaN.
// Latency:    4 cycles; one result a cycle.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_exp2_parts
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  bit          Natural  = 1'b1,  // t = a * log2(e), else t = a
  parameter  bit          Negative = 1'b0,  // t is that of -|a|
  parameter  int unsigned WholeW   = 8,     // t is kept within -2^WholeW .. 2^WholeW
  parameter  int unsigned FracW    = 28,
  localparam fmt_t        F        = minifloat_of(Fmt)
) (
  input  logic               clk_i,        // clock
  input  logic               rst_ni,       // asynchronous reset
  input  logic               in_valid_i,   // a beat is offered
  output logic               in_ready_o,   // and taken
  input  logic [F.width-1:0] code_i,       // a
  output logic               out_valid_o,  // a result is offered
  input  logic               out_ready_i,  // and taken
  output logic               sign_o,       // of the code
  output logic               zero_o,       // a is a zero
  output logic               inf_o,        // a is Inf
  output logic               nan_o,        // a is NaN
  output logic               exact_o,      // sig_o is exact
  output logic [WholeW:0]    exp_o,        // exponent of 2^t, two's complement
  output logic [FracW:0]     sig_o         // significand of 2^t, 1.FracW bits
);
  logic                  sign, inf, nan, t_exact;
  logic [F.exp_w-1:0]    exp;
  logic [F.man_w:0]      sig;
  logic [WholeW+FracW:0] t;

  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i, .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
  );
  plena_fp_exp2_argument #(
    .Fmt(Fmt), .Natural(Natural), .WholeW(WholeW), .FracW(FracW)
  ) u_argument (
    .sign_i(sign || Negative), .exp_i(exp), .sig_i(sig), .t_o(t), .exact_o(t_exact)
  );

  logic             s1_valid, s1_ready, s1_t_exact;
  logic [3:0]       s1_kind;          // sign, zero, Inf, NaN
  logic [WholeW:0]  s1_exp;
  logic [FracW-1:0] s1_f;

  plena_stream_reg #(
    .Width(5 + WholeW + 1 + FracW)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({sign, sig == '0, inf, nan, t_exact, t}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .out_data_o({s1_kind, s1_t_exact, s1_exp, s1_f})
  );

  plena_exp2_fraction #(
    .FracW(FracW), .SideW(5 + WholeW + 1)
  ) u_fraction (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .f_i(s1_f),
    .side_i({s1_kind, s1_t_exact && s1_f == '0, s1_exp}),
    .out_valid_o, .out_ready_i, .sig_o,
    .side_o({sign_o, zero_o, inf_o, nan_o, exact_o, exp_o})
  );
endmodule
