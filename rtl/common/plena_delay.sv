// SPDX-License-Identifier: Apache-2.0
//
// Depth register stages of a valid/ready stream: keeps data beside a unit of that latency.
//
// Method:     a chain of plena_stream_reg.
// Contract:   streams that start together, have equally many stages and end together move in step:
//             their valids and readies are always equal.
// Latency:    Depth cycles (0: wires); throughput one beat a cycle.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: empty, payload 0.
module plena_delay #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 1
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] in_data_i,    // payload
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] out_data_o    // payload, Depth stages later
);
  if (Depth == 0) begin : gen_wires
    logic unused_clock;
    assign unused_clock = clk_i ^ rst_ni;
    assign in_ready_o   = out_ready_i;
    assign out_valid_o  = in_valid_i;
    assign out_data_o   = in_data_i;
  end else begin : gen_stages
    logic [Depth:0]            valid, ready;
    logic [Depth:0][Width-1:0] data;

    assign valid[0]     = in_valid_i;
    assign data[0]      = in_data_i;
    assign in_ready_o   = ready[0];
    assign ready[Depth] = out_ready_i;
    assign out_valid_o  = valid[Depth];
    assign out_data_o   = data[Depth];

    for (genvar stage = 0; stage < Depth; stage++) begin : gen_stage
      plena_stream_reg #(
        .Width(Width)
      ) u_reg (
        .clk_i, .rst_ni,
        .in_valid_i(valid[stage]), .in_ready_o(ready[stage]), .in_data_i(data[stage]),
        .out_valid_o(valid[stage+1]), .out_ready_i(ready[stage+1]), .out_data_o(data[stage+1])
      );
    end
  end
endmodule
