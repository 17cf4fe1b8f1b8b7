// SPDX-License-Identifier: Apache-2.0
//
// One register stage of a valid/ready stream: what every combinational core sits behind.
//
// Method:     one payload register; it takes a new beat when it is empty or being emptied.
// Latency:    1 cycle; throughput one beat a cycle.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled, and
//             keeps its last value after it was taken. in_ready_o follows out_ready_i in the cycle.
// Reset:      asynchronous, active low: empty, payload 0.
module plena_stream_reg #(
  parameter int unsigned Width = 8
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
  logic             valid_q;
  logic [Width-1:0] data_q;

  assign in_ready_o  = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign out_data_o  = data_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      data_q  <= '0;
    end else if (in_ready_o) begin
      valid_q <= in_valid_i;
      if (in_valid_i) data_q <= in_data_i;
    end
  end
endmodule
