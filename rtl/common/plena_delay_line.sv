// SPDX-License-Identifier: Apache-2.0
//
// Delays a word by Depth steps; a step is a clock cycle with enable_i.
//
// Latency:    Depth steps; 0 is a wire.
// Reset:      asynchronous, active low: all words 0.
module plena_delay_line #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 1
) (
  input  logic             clk_i,     // clock
  input  logic             rst_ni,    // asynchronous reset
  input  logic             enable_i,  // step
  input  logic [Width-1:0] data_i,    // word
  output logic [Width-1:0] data_o     // word of Depth steps ago
);
  if (Depth == 0) begin : gen_wire
    assign data_o = data_i;

    logic unused_inputs;
    assign unused_inputs = clk_i ^ rst_ni ^ enable_i;
  end else begin : gen_registers
    logic [Depth:0][Width-1:0] line;  // the newest word at the bottom

    assign line[0] = data_i;
    assign data_o  = line[Depth];

    for (genvar stage = 1; stage <= Depth; stage++) begin : gen_stage
      logic [Width-1:0] data_q;
      assign line[stage] = data_q;

      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) data_q <= '0;
        else if (enable_i) data_q <= line[stage-1];
      end
    end
  end
endmodule
