// SPDX-License-Identifier: Apache-2.0
//
// plena_fp_add as a stream: the contract, and every beat comes out as its own sum, in order.
//
// Method:     plena_stream_props picks any one beat; what plena_fp_add_core makes of it is kept
//             here and compared.
// Latency:    that of plena_fp_add.
module plena_fp_add_stream_props
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt    = pack_minifloat(2, 1, 1, SpecialsNone),
  parameter  int unsigned Stages = 1,
  localparam fmt_t        F      = minifloat_of(Fmt),
  localparam int unsigned Width  = F.width
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] a_i,          // summand
  input  logic [Width-1:0] b_i,          // summand
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] y_o,          // sum of the block
  input  logic             pick_i,       // this beat is followed; free
  output logic             holds_o       // what is to be proven
);
  logic             take, due, contract;
  logic [Width-1:0] sum, expected_q;

  plena_fp_add #(
    .Fmt(Fmt), .Stages(Stages)
  ) u_dut (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .a_i, .b_i, .out_valid_o, .out_ready_i, .y_o
  );

  plena_fp_add_core #(
    .Fmt(Fmt)
  ) u_core (
    .a_i, .b_i, .y_o(sum)
  );

  plena_stream_props #(
    .Latency(Stages), .Width(Width), .Elastic(1'b1)
  ) u_props (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_i(in_ready_o), .out_valid_i(out_valid_o), .out_ready_i,
    .payload_i(y_o), .pick_i, .take_o(take), .due_o(due), .holds_o(contract)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) expected_q <= '0;
    else if (take) expected_q <= sum;
  end

  assign holds_o = contract && (!due || y_o == expected_q);
endmodule
