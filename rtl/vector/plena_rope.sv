// SPDX-License-Identifier: Apache-2.0
//
// Rotary position embedding of a vector: y = RN(RN(x * cos) + RN(rotate(x) * sin)).
//
// Golden twin: golden.ops.rope.
// Method:     two products a lane | their sum. rotate(x) of a pair (a, b) is (-b, a), wires and a
//             sign bit. Groups of 2 * Stride lanes; lane 0 is in the least significant bits.
// Latency:    2 cycles; one vector a cycle.
// Specials:   those of plena_fp_mul_core and plena_fp_add_core; overflow saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_rope
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt    = Bf16,
  parameter  int unsigned Groups = 1,
  parameter  int unsigned Stride = 4,  // between the two lanes of a pair
  localparam fmt_t        F      = minifloat_of(Fmt),
  localparam int unsigned Lanes  = 2 * Groups * Stride,
  localparam int unsigned Width  = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] x_i,          // vector, lane 0 lowest
  input  logic [Lanes-1:0][Width-1:0] cos_i,        // cosine of each lane
  input  logic [Lanes-1:0][Width-1:0] sin_i,        // sine of each lane
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // result, lane 0 lowest
);
  localparam int unsigned Latency = 2;

  if (!is_minifloat(Fmt)) begin : gen_illegal_format
    $fatal(1, "plena_rope: no minifloat: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_rope: Groups=%0d and Stride=%0d must be at least 1", Groups, Stride);
  end

  logic [Lanes-1:0][Width-1:0] direct, turned, s1_direct, s1_turned, sum;
  logic                        s1_valid, s1_ready;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_product
    // The first of a pair takes the second, negated; the second takes the first.
    localparam bit          First   = (lane / Stride) % 2 == 0;
    localparam int unsigned Partner = First ? lane + Stride : lane - Stride;

    logic [Width-1:0] rotated;
    assign rotated = x_i[Partner] ^ {First, (Width - 1)'(0)};

    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_direct (
      .a_i(x_i[lane]), .b_i(cos_i[lane]), .y_o(direct[lane])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt), .AFlipped(First)
    ) u_turned (
      .a_i(rotated), .b_i(sin_i[lane]), .y_o(turned[lane])
    );
  end

  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({direct, turned}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_direct, s1_turned})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_sum
    plena_fp_add_core #(
      .Fmt(Fmt)
    ) u_add (
      .a_i(s1_direct[lane]), .b_i(s1_turned[lane]), .y_o(sum[lane])
    );
  end

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i(sum),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
