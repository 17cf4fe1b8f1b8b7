// SPDX-License-Identifier: Apache-2.0
//
// Stream of exact quotients: quot_o = floor(num_i * 2^QuotW / den_i).
//
// Method:     plena_divide cut into Stages, a register after each. side_i travels along.
// Contract:   num_i < den_i; sticky_o: the quotient goes on below quot_o.
// Latency:    Stages cycles; one quotient a cycle.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_divide_stream #(
  parameter int unsigned Width  = 8,  // of the divisor
  parameter int unsigned QuotW  = 8,
  parameter int unsigned SideW  = 8,
  parameter int unsigned Stages = 2   // at most QuotW
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] num_i,        // dividend, below the divisor
  input  logic [Width-1:0] den_i,        // divisor
  input  logic [SideW-1:0] side_i,       // travels along
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [QuotW-1:0] quot_o,       // quotient, a fraction of QuotW bits
  output logic             sticky_o,     // the quotient goes on
  output logic [SideW-1:0] side_o        // side_i of this quotient
);
  // gen_stage[s]: what stands in the register after stage s; stage 0 is the input itself.
  for (genvar s = 0; s <= Stages; s++) begin : gen_stage
    logic             valid, ready;
    logic [SideW-1:0] side;
    logic [QuotW-1:0] quot;
    logic [Width-1:0] rem, den;

    if (s == 0) begin : gen_in
      assign {valid, side, quot, rem, den} = {in_valid_i, side_i, QuotW'(0), num_i, den_i};
      assign in_ready_o = ready;
    end else begin : gen_rows
      localparam int unsigned Rows = s * QuotW / Stages - (s - 1) * QuotW / Stages;
      logic [Rows-1:0]  more;
      logic [Width-1:0] left;

      plena_divide #(
        .Width(Width), .QuotW(Rows)
      ) u_divide (
        .num_i(gen_stage[s-1].rem), .den_i(gen_stage[s-1].den), .quot_o(more), .rem_o(left)
      );

      plena_stream_reg #(
        .Width(SideW + QuotW + 2 * Width)
      ) u_reg (
        .clk_i, .rst_ni,
        .in_valid_i(gen_stage[s-1].valid), .in_ready_o(gen_stage[s-1].ready),
        .in_data_i({gen_stage[s-1].side, QuotW'({gen_stage[s-1].quot, more}), left,
                    gen_stage[s-1].den}),
        .out_valid_o(valid), .out_ready_i(ready), .out_data_o({side, quot, rem, den})
      );
    end
  end

  assign out_valid_o = gen_stage[Stages].valid;
  assign gen_stage[Stages].ready = out_ready_i;
  assign quot_o   = gen_stage[Stages].quot;
  assign sticky_o = gen_stage[Stages].rem != '0;
  assign side_o   = gen_stage[Stages].side;
  logic unused_den;
  assign unused_den = ^gen_stage[Stages].den;
endmodule
