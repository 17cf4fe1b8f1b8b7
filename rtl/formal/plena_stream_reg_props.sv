// SPDX-License-Identifier: Apache-2.0
//
// plena_stream_reg: the contract of a stream, and every beat comes out as it went in.
//
// Method:     plena_stream_props picks any one beat; its payload is kept here and compared.
// Latency:    that of plena_stream_reg, 1.
module plena_stream_reg_props #(
  parameter int unsigned Width = 8
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] in_data_i,    // payload
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] out_data_o,   // payload of the block
  input  logic             pick_i,       // this beat is followed; free
  output logic             holds_o       // what is to be proven
);
  logic             take, due, contract;
  logic [Width-1:0] expected_q;

  plena_stream_reg #(
    .Width(Width)
  ) u_dut (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .in_data_i, .out_valid_o, .out_ready_i, .out_data_o
  );

  plena_stream_props #(
    .Latency(1), .Width(Width), .Elastic(1'b1)
  ) u_props (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_i(in_ready_o), .out_valid_i(out_valid_o), .out_ready_i,
    .payload_i(out_data_o), .pick_i, .take_o(take), .due_o(due), .holds_o(contract)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) expected_q <= '0;
    else if (take) expected_q <= in_data_i;
  end

  assign holds_o = contract && (!due || out_data_o == expected_q);
endmodule
