// SPDX-License-Identifier: Apache-2.0
//
// Stream of magnitudes: y = |a|.
//
// Golden twin: golden.ops.abs.
// Method:     the sign bit alone, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   a NaN keeps its payload (IEEE 754-2019 §5.5.1), and its place in that of -0.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_abs
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
  input  logic [Width-1:0] a_i,          // code
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] y_o           // its magnitude
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(Fmt)) begin : gen_illegal
    $fatal(1, "plena_fp_abs: no minifloat: Fmt=%s", fmt_text(Fmt));
  end

  // Of the sign, only a NaN in the place of -0 is kept.
  logic sign;
  assign sign = F.specials == SpecialsFnuz && a_i[Width-1] && a_i[Width-2:0] == '0;

  logic unused_sign;
  assign unused_sign = a_i[Width-1];

  plena_stream_reg #(
    .Width(Width)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({sign, a_i[Width-2:0]}),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
