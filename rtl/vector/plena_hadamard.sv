// SPDX-License-Identifier: Apache-2.0
//
// Orthonormal Walsh-Hadamard transform of a vector, in blocks of the largest power of two 2^k that
// divides Lanes.
//
// Golden twin: golden.ops.hadamard, with its default block.
// Method:     k stages of butterflies, neighbours first, each sum rounded | times RN(2^(-k/2)).
//             Lane 0 is in the least significant bits.
// Latency:    k + 1 cycles; one vector a cycle.
// Specials:   those of plena_fp_add_core and plena_fp_mul_core; overflow saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_hadamard
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  parameter  int unsigned Lanes = 8,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] x_i,          // vector, lane 0 lowest
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // result, lane 0 lowest
);
  localparam int unsigned Block   = Lanes & -Lanes;
  localparam int unsigned Stages  = $clog2(Block);
  localparam int unsigned Latency = $clog2(Lanes & -Lanes) + 1;

  if (!is_minifloat(Fmt)) begin : gen_illegal_format
    $fatal(1, "plena_hadamard: no minifloat: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_hadamard: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Stages:0]                       valid, ready;
  logic [Stages:0][Lanes-1:0][Width-1:0] data;

  assign valid[0]   = in_valid_i;
  assign data[0]    = x_i;
  assign in_ready_o = ready[0];

  for (genvar stage = 0; stage < Stages; stage++) begin : gen_stage
    localparam int unsigned Distance = 1 << stage;
    logic [Lanes-1:0][Width-1:0] next;

    for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
      // The lower lane of a pair becomes low + high, the upper one low - high.
      localparam bit          Upper = ((lane >> stage) & 1) == 1;
      localparam int unsigned Low   = Upper ? lane - Distance : lane;

      plena_fp_add_core #(
        .Fmt(Fmt), .BFlipped(Upper)
      ) u_add (
        .a_i(data[stage][Low]), .b_i(data[stage][Low+Distance] ^ {Upper, (Width - 1)'(0)}),
        .y_o(next[lane])
      );
    end

    plena_stream_reg #(
      .Width(Lanes * Width)
    ) u_reg (
      .clk_i, .rst_ni,
      .in_valid_i(valid[stage]), .in_ready_o(ready[stage]), .in_data_i(next),
      .out_valid_o(valid[stage+1]), .out_ready_i(ready[stage+1]), .out_data_o(data[stage+1])
    );
  end

  // 2^(-k/2) is a power of two, or sqrt(2) times one: sqrt(2) rounded to odd, top bit 2^0.
  localparam bit Odd = Stages % 2 == 1;
  logic            [Width-1:0] gain;
  logic [Lanes-1:0][Width-1:0] y;

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(Odd ? 64'hB504_F333_F9DE_6485 : 64'h8000_0000_0000_0000),
    .Exp(-int'((Stages + 1) / 2))
  ) u_gain (
    .code_o(gain)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_gain
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_mul (
      .a_i(data[Stages][lane]), .b_i(gain), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(valid[Stages]), .in_ready_o(ready[Stages]), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
