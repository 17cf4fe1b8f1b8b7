// SPDX-License-Identifier: Apache-2.0
//
// Orthonormal Hadamard transform of a vector, in blocks of K * 2^r lanes, where K is 1 or 4 times an
// odd number, 12 to 172.
//
// Golden twin: golden.ops.hadamard.
// Method:     plena_signed_sums of the K lanes at distance 2^r, where K > 1 | r stages of
//             butterflies, neighbours first, each sum rounded | times RN(1 / sqrt(K * 2^r)). Lane 0
//             is in the least significant bits.
// Latency:    clog2(K) + r + 1 cycles; one vector a cycle.
// Specials:   those of plena_fp_add_core and plena_fp_mul_core; overflow saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_hadamard
  import plena_pkg::*;
  import plena_hadamard_pkg::*;
#(
  parameter  int unsigned Fmt     = Bf16,
  parameter  int unsigned Lanes   = 8,
  parameter  int unsigned Block   = Lanes & -Lanes,  // K * 2^r, divides Lanes
  parameter  bit          Inverse = 1'b0,            // of the matrix of K, transposed
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam int unsigned Width   = F.width
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
  localparam int unsigned Order   = is_hadamard_size(Block) ? hadamard_order(Block) : 1;  // K
  localparam int unsigned Stages  = $clog2(Block / Order);  // r
  localparam int unsigned Latency = hadamard_latency(Block);

  if (!is_minifloat(Fmt)) begin : gen_illegal_format
    $fatal(1, "plena_hadamard: no minifloat: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_hadamard: Lanes=%0d must be at least 1", Lanes);
  end
  if (!is_hadamard_size(Block) || Lanes % Block != 0) begin : gen_illegal_block
    $fatal(1, "plena_hadamard: Block=%0d must divide Lanes=%0d and be K * 2^r (K = 1, 12 .. %0d)",
           Block, Lanes, MaxOrder);
  end

  logic [Stages:0]                       valid, ready;
  logic [Stages:0][Lanes-1:0][Width-1:0] data;

  if (Order == 1) begin : gen_no_sums
    assign valid[0]   = in_valid_i;
    assign data[0]    = x_i;
    assign in_ready_o = ready[0];
  end else begin : gen_sums
    localparam int unsigned Stride = Block / Order;  // 2^r
    localparam int unsigned Groups = Lanes / Order;
    logic [Groups-1:0] group_valid, group_ready;  // of sums that move in step (see plena_delay)

    assign valid[0]   = &group_valid;
    assign in_ready_o = &group_ready;

    for (genvar group = 0; group < Groups; group++) begin : gen_group
      localparam int unsigned First = group / Stride * Block + group % Stride;
      logic [Order-1:0][Width-1:0] x, y;

      for (genvar k = 0; k < Order; k++) begin : gen_lane
        assign x[k]                    = x_i[First+k*Stride];
        assign data[0][First+k*Stride] = y[k];
      end

      plena_signed_sums #(
        .Fmt(Fmt), .Order(Order), .Inverse(Inverse)
      ) u_sums (
        .clk_i, .rst_ni,
        .in_valid_i, .in_ready_o(group_ready[group]), .x_i(x),
        .out_valid_o(group_valid[group]), .out_ready_i(ready[0]), .y_o(y)
      );
    end
  end

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

  logic            [Width-1:0] gain;
  logic [Lanes-1:0][Width-1:0] y;

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(reciprocal_root_sig(Block)), .Exp(-int'(reciprocal_root_shift(Block)))
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
