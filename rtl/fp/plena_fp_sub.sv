// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded differences of two codes of one minifloat: y = RN(a - b).
//
// Golden twin: golden.ops.sub.
// Method:     plena_fp_add_core with the sign of b flipped, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   as plena_fp_add, of a and -b.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_sub
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
  input  logic [Width-1:0] a_i,          // minuend
  input  logic [Width-1:0] b_i,          // subtrahend
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] y_o           // rounded difference
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(Fmt)) begin : gen_illegal
    $fatal(1, "plena_fp_sub: no minifloat: Fmt=%s", fmt_text(Fmt));
  end

  logic [Width-1:0] y;

  plena_fp_add_core #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .BFlipped(1'b1)
  ) u_core (
    .a_i, .b_i({!b_i[Width-1], b_i[Width-2:0]}), .y_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
