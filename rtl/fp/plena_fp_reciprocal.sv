// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded reciprocals of one minifloat of up to 16 bits: y = RN(1 / a).
//
// Golden twin: golden.ops.reciprocal.
// Method:     normalise | divide 1 by the significand, exactly | round once. The quotient has the
//             bits of the result and a guard bit, the remainder is the sticky bit.
// Latency:    4 cycles; one result a cycle.
// Specials:   a zero gives an exact Inf of its sign, Inf a zero of its sign; NaN is canonical.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_reciprocal
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
  localparam int unsigned Latency = 4;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal
    $fatal(1, "plena_fp_reciprocal: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end

  localparam int          ExpMin    = 1 - int'(F.man_w);  // of the normalised operand
  localparam int          ExpMax    = (1 << F.exp_w) - 1;
  localparam int unsigned ExpInW    = signed_width(ExpMin, ExpMax);
  // 1 / (2 * significand) is in (1/4, 1/2]: perhaps a zero, man_w + 1 bits, the guard bit.
  localparam int unsigned QuotW     = F.man_w + 3;
  localparam int unsigned DenW      = F.man_w + 2;

  logic              sign, zero, inf, nan;
  logic [ExpInW-1:0] exp;  // two's complement
  logic [F.man_w:0]  sig;

  plena_fp_unpack_normal #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i(a_i), .sign_o(sign), .exp_o(exp), .sig_o(sig), .zero_o(zero), .inf_o(inf), .nan_o(nan)
  );

  logic              q_ready, q_valid, q_sign, q_zero, q_inf, q_nan, sticky;
  logic [ExpInW-1:0] q_exp;
  logic [QuotW-1:0]  quot;

  plena_divide_stream #(
    .Width(DenW), .QuotW(QuotW), .SideW(4 + ExpInW), .Stages(3)
  ) u_divide (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .num_i(DenW'(1) << F.man_w), .den_i({sig, 1'b0}),
    .side_i({sign, zero, inf, nan, exp}),
    .out_valid_o(q_valid), .out_ready_i(q_ready), .quot_o(quot), .sticky_o(sticky),
    .side_o({q_sign, q_zero, q_inf, q_nan, q_exp})
  );

  logic [Width-1:0] y;

  // ~n is -n - 1.
  plena_fp_pack #(
    .Fmt(Fmt), .InW(QuotW + 1), .ExpMin(~ExpMax), .ExpMax(~ExpMin), .ExpOffset(F.bias + 1),
    .MaxLz(1), .Rounding(Rounding), .Saturate(Saturate)
  ) u_pack (
    .sign_i(q_sign), .sig_i({quot, sticky} & {(QuotW + 1){!q_inf}}), .exp_i(~q_exp),
    .inf_i(q_zero), .nan_i(q_nan), .code_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(q_valid), .in_ready_o(q_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
