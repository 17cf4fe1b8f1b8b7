// SPDX-License-Identifier: Apache-2.0
//
// The contract of a stream, watched from its ports: what rtl/README.md promises of every block.
//
// Contract:   holds_o is 1 in every cycle as long as
//             - nothing is valid in reset;
//             - out_valid_o does not fall, and the payload does not change, while stalled;
//             - what comes out went in: never more than went in, never more than Latency in flight;
//             - in_ready_o refuses only while a result waits and is not taken; with Elastic, only
//               when Latency beats are in flight besides;
//             - a beat is valid at the output Latency cycles after it went in, however long the
//               reader waits (valid never waits for ready).
// Method:     a counter of beats in flight. pick_i, left free in proofs, picks any one beat on its
//             way in (take_o); due_o says that this beat must be the one at the output.
// Reset:      asynchronous, active low, together with the block's.
module plena_stream_props #(
  parameter  int unsigned Latency = 1,
  parameter  int unsigned Width   = 8,
  parameter  bit          Elastic = 1'b0,  // gaps between beats close while the output is stalled
  localparam int unsigned CountW  = $clog2(Latency + 2)
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered to the block
  input  logic             in_ready_i,   // and taken
  input  logic             out_valid_i,  // it offers a result
  input  logic             out_ready_i,  // and that is taken
  input  logic [Width-1:0] payload_i,    // its result
  input  logic             pick_i,       // this beat is followed; free
  output logic             take_o,       // the beat to follow goes in now
  output logic             due_o,        // its result is at the output
  output logic             holds_o       // what is to be proven
);
  localparam logic [CountW-1:0] Full = CountW'(Latency);

  logic [CountW-1:0] count_q, quiet_q, ahead_q, left;
  logic              stalled_q, tracked_q, in_taken, out_taken;
  logic [Width-1:0]  payload_q;

  assign in_taken  = in_valid_i && in_ready_i;
  assign out_taken = out_valid_i && out_ready_i;
  assign left      = count_q - CountW'(out_taken);
  assign take_o    = in_taken && pick_i && !tracked_q;
  assign due_o     = tracked_q && ahead_q == '0 && out_valid_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      count_q   <= '0;
      quiet_q   <= '0;
      stalled_q <= 1'b0;
      payload_q <= '0;
      tracked_q <= 1'b0;
      ahead_q   <= '0;
    end else begin
      count_q   <= left + CountW'(in_taken);
      // Cycles in which something was in flight and nothing was valid.
      quiet_q   <= count_q == '0 || out_valid_i ? '0 : quiet_q == Full ? Full : quiet_q + 1'b1;
      stalled_q <= out_valid_i && !out_ready_i;
      payload_q <= payload_i;
      if (take_o) begin
        tracked_q <= 1'b1;
        ahead_q   <= left;
      end else if (tracked_q && out_taken) begin
        tracked_q <= ahead_q != '0;
        ahead_q   <= ahead_q == '0 ? '0 : ahead_q - 1'b1;
      end
    end
  end

  always_comb begin
    holds_o = 1'b1;
    if (!rst_ni && out_valid_i) holds_o = 1'b0;
    if (stalled_q && !(out_valid_i && payload_i == payload_q)) holds_o = 1'b0;
    if (out_valid_i && count_q == '0) holds_o = 1'b0;
    if (count_q > Full) holds_o = 1'b0;
    if (!in_ready_i && (!out_valid_i || out_ready_i)) holds_o = 1'b0;
    if (Elastic && !in_ready_i && count_q != Full) holds_o = 1'b0;
    if (quiet_q >= Full) holds_o = 1'b0;
  end
endmodule
