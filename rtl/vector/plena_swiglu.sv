// SPDX-License-Identifier: Apache-2.0
//
// SwiGLU of each lane: y = RN(silu(gate) * up).
//
// Golden twin: golden.ops.swiglu.
// Method:     plena_silu, up waiting beside it | their product. Lane 0 is in the least significant
//             bits.
// Latency:    12 cycles; one vector a cycle.
// Specials:   those of plena_silu and plena_fp_mul_core; overflow saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_swiglu
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  parameter  int unsigned Lanes = 4,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] gate_i,       // vector to go through SiLU
  input  logic [Lanes-1:0][Width-1:0] up_i,         // vector to multiply
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // result, lane 0 lowest
);
  localparam int unsigned Latency = silu_latency() + 1;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_swiglu: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_swiglu: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] silu, s1_up, y;
  logic                  [1:0] valid, ready;  // of both paths, which move in step
  logic                        s1_ready;

  assign in_ready_o = &ready;

  plena_silu #(
    .Fmt(Fmt), .Lanes(Lanes)
  ) u_silu (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o(ready[0]), .x_i(gate_i),
    .out_valid_o(valid[0]), .out_ready_i(s1_ready), .y_o(silu)
  );

  plena_delay #(
    .Width(Lanes * Width), .Depth(silu_latency())
  ) u_up (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o(ready[1]), .in_data_i(up_i),
    .out_valid_o(valid[1]), .out_ready_i(s1_ready), .out_data_o(s1_up)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_mul
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_mul (
      .a_i(silu[lane]), .b_i(s1_up[lane]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(&valid), .in_ready_o(s1_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
