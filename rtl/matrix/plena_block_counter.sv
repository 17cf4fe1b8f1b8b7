// SPDX-License-Identifier: Apache-2.0
//
// Says which beat of a stream is the last one of a block of BlockSize beats.
//
// Golden twin: golden.ops.mx_pe.block_places.
// Contract:   the beat that advance_i accepts is the next of its block, the first one if restart_i;
//             last_o says in the same cycle that it completes the block.
// Latency:    last_o within the cycle.
// Reset:      asynchronous, active low: the next beat is a block's first.
module plena_block_counter #(
  parameter int unsigned BlockSize = 32
) (
  input  logic clk_i,      // clock
  input  logic rst_ni,     // asynchronous reset
  input  logic advance_i,  // a beat is accepted
  input  logic restart_i,  // it is the first of a block
  output logic last_o      // it is the last of its block
);
  if (BlockSize == 1) begin : gen_single
    assign last_o = 1'b1;

    logic unused_inputs;
    assign unused_inputs = clk_i ^ rst_ni ^ advance_i ^ restart_i;
  end else begin : gen_count
    localparam int unsigned CountW = $clog2(BlockSize);

    logic [CountW-1:0] count_q, count;

    assign count  = restart_i ? '0 : count_q;
    assign last_o = count == CountW'(BlockSize - 1);

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) count_q <= '0;
      else if (advance_i) count_q <= last_o ? '0 : count + 1'b1;
    end
  end
endmodule
