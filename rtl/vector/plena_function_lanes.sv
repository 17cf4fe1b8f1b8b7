// SPDX-License-Identifier: Apache-2.0
//
// One function unit a lane, with side data that comes out with the results.
//
// Method:     Lanes units of fp/ in step, plena_delay beside them. Lane 0 is in the least
//             significant bits.
// Latency:    function_latency(Function) cycles; one vector a cycle.
// Specials:   those of the unit; overflow saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_function_lanes
  import plena_pkg::*;
#(
  parameter  int unsigned Function = FunctionExp,
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Lanes    = 4,
  parameter  int unsigned SideW    = 8,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] a_i,          // arguments, lane 0 lowest
  input  logic [SideW-1:0]            side_i,       // travels along
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o,          // results, lane 0 lowest
  output logic [SideW-1:0]            side_o        // side_i of these results
);
  // All of them are chains of as many stream registers and move in step (see plena_delay): their
  // valids and readies are equal.
  logic [Lanes:0] valid, ready;
  assign in_ready_o  = &ready;
  assign out_valid_o = &valid;

  plena_delay #(
    .Width(SideW), .Depth(function_latency(Function))
  ) u_side (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o(ready[Lanes]), .in_data_i(side_i),
    .out_valid_o(valid[Lanes]), .out_ready_i, .out_data_o(side_o)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
    if (Function == FunctionExp) begin : gen_exp
      plena_fp_exp #(
        .Fmt(Fmt)
      ) u_unit (
        .clk_i, .rst_ni,
        .in_valid_i, .in_ready_o(ready[lane]), .a_i(a_i[lane]),
        .out_valid_o(valid[lane]), .out_ready_i, .y_o(y_o[lane])
      );
    end else if (Function == FunctionReciprocal) begin : gen_reciprocal
      plena_fp_reciprocal #(
        .Fmt(Fmt)
      ) u_unit (
        .clk_i, .rst_ni,
        .in_valid_i, .in_ready_o(ready[lane]), .a_i(a_i[lane]),
        .out_valid_o(valid[lane]), .out_ready_i, .y_o(y_o[lane])
      );
    end else if (Function == FunctionSqrt) begin : gen_sqrt
      plena_fp_sqrt #(
        .Fmt(Fmt)
      ) u_unit (
        .clk_i, .rst_ni,
        .in_valid_i, .in_ready_o(ready[lane]), .a_i(a_i[lane]),
        .out_valid_o(valid[lane]), .out_ready_i, .y_o(y_o[lane])
      );
    end else begin : gen_sigmoid
      plena_fp_sigmoid #(
        .Fmt(Fmt)
      ) u_unit (
        .clk_i, .rst_ni,
        .in_valid_i, .in_ready_o(ready[lane]), .a_i(a_i[lane]),
        .out_valid_o(valid[lane]), .out_ready_i, .y_o(y_o[lane])
      );
    end
  end
endmodule
