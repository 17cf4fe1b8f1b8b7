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
  parameter  int unsigned ExpW     = 8,
  parameter  int unsigned ManW     = 7,
  parameter  int          Bias     = 127,
  parameter  int unsigned Specials = SpecialsIeee,
  parameter  bit          Natural  = 1'b1,           // t = a * log2(e), else t = a
  parameter  bit          Negative = 1'b0,           // t is that of -|a|
  parameter  int unsigned WholeW   = 8,              // t is kept within -2^WholeW .. 2^WholeW
  parameter  int unsigned FracW    = 28
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               in_valid_i,
  output logic               in_ready_o,
  input  logic [ExpW+ManW:0] code_i,
  output logic               out_valid_o,
  input  logic               out_ready_i,
  output logic               sign_o,                 // of the code
  output logic               zero_o,
  output logic               inf_o,
  output logic               nan_o,
  output logic               exact_o,
  output logic [WholeW:0]    exp_o,                  // two's complement
  output logic [FracW:0]     sig_o
);
  logic                  sign, inf, nan, t_exact;
  logic [ExpW-1:0]       exp;
  logic [ManW:0]         sig;
  logic [WholeW+FracW:0] t;

  plena_fp_unpack #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
  ) u_unpack (
    .code_i, .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
  );
  plena_fp_exp2_argument #(
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Natural(Natural), .WholeW(WholeW), .FracW(FracW)
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
