// SPDX-License-Identifier: Apache-2.0
//
// A place where a stream may be cut by a register.
//
// Method:     plena_stream_reg if Cut, else wires.
// Latency:    1 cycle if Cut, else combinational; one beat a cycle.
// Handshake:  as plena_stream_reg.
// Reset:      asynchronous, active low: empty.
module plena_stream_cut #(
  parameter int unsigned Width = 8,
  parameter bit          Cut   = 1'b1
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] in_data_i,    // payload
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] out_data_o    // payload
);
  if (Cut) begin : gen_reg
    plena_stream_reg #(
      .Width(Width)
    ) u_reg (
      .clk_i, .rst_ni,
      .in_valid_i, .in_ready_o, .in_data_i,
      .out_valid_o, .out_ready_i, .out_data_o
    );
  end else begin : gen_wires
    assign in_ready_o  = out_ready_i;
    assign out_valid_o = in_valid_i;
    assign out_data_o  = in_data_i;

    logic unused_clock;
    assign unused_clock = clk_i ^ rst_ni;
  end
endmodule
