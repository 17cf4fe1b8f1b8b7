// SPDX-License-Identifier: Apache-2.0
//
// Stream of comparisons of two codes of one minifloat: less, equal, unordered (or none: greater).
//
// Golden twin: golden.ops.compare.
// Method:     plena_fp_order and equality, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   by value: -0 equals +0, Inf equals Inf; a NaN is unordered with everything.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_compare
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] a_i,          // operand
  input  logic [Width-1:0] b_i,          // operand
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic             less_o,       // a < b
  output logic             equal_o,      // a = b
  output logic             unordered_o   // a or b is NaN
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(Fmt)) begin : gen_illegal
    $fatal(1, "plena_fp_compare: no minifloat: Fmt=%s", fmt_text(Fmt));
  end

  logic a_nan, b_nan, below, zeros, same, unordered;

  plena_fp_order #(
    .Fmt(Fmt)
  ) u_order (
    .a_i, .b_i, .a_nan_o(a_nan), .b_nan_o(b_nan), .less_o(below)
  );

  assign zeros     = a_i[Width-2:0] == '0 && b_i[Width-2:0] == '0;
  assign same      = a_i == b_i || zeros;
  assign unordered = a_nan || b_nan;

  plena_stream_reg #(
    .Width(3)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .in_data_i({below && !zeros && !unordered, same && !unordered, unordered}),
    .out_valid_o, .out_ready_i, .out_data_o({less_o, equal_o, unordered_o})
  );
endmodule
