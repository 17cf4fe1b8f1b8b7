// SPDX-License-Identifier: Apache-2.0
//
// One row reduced in a wider format and cast back: its sum from +0, or its largest element from the
// lowest value, with side data that comes out with the result.
//
// Golden twin: golden.ops.reduce_rows, then golden.ops.cast, as the composite operations use them.
// Method:     plena_reduce | cast. Lane 0 is in the least significant bits.
// Latency:    row_latency(Lanes) = 3 + clog2(Lanes) cycles; one row a cycle.
// Specials:   see plena_reduce; overflow saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_reduce_row
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned RedFmt   = Fp32,  // of sums and maxima
  parameter  int unsigned Lanes    = 8,
  parameter  bit          Largest  = 1'b0,
  parameter  int unsigned SideW    = 8,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam fmt_t        Red      = minifloat_of(RedFmt),
  localparam int unsigned RedWidth = Red.width,
  localparam int unsigned Width    = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] x_i,          // row, lane 0 lowest
  input  logic            [Lanes-1:0] mask_i,       // lanes that take part
  input  logic            [SideW-1:0] side_i,       // travels along
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic            [Width-1:0] y_o,          // reduced code
  output logic            [SideW-1:0] side_o        // side_i of this row
);
  localparam logic [RedWidth-1:0] Seed =
      Largest ? {1'b1, (RedWidth - 1)'(max_code(Red))} : '0;

  logic          [1:0] valid, ready;  // of both paths, which move in step (see plena_delay)
  logic                s1_ready;
  logic [RedWidth-1:0] reduced;
  logic    [SideW-1:0] s1_side;
  logic    [Width-1:0] y;

  assign in_ready_o = &ready;

  plena_reduce #(
    .SrcFmt(Fmt), .DstFmt(RedFmt), .Lanes(Lanes), .Largest(Largest)
  ) u_reduce (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o(ready[0]), .x_i, .mask_i, .seed_i(Seed),
    .out_valid_o(valid[0]), .out_ready_i(s1_ready), .y_o(reduced)
  );

  plena_delay #(
    .Width(SideW), .Depth(row_latency(Lanes) - 1)
  ) u_side (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o(ready[1]), .in_data_i(side_i),
    .out_valid_o(valid[1]), .out_ready_i(s1_ready), .out_data_o(s1_side)
  );

  plena_fp_cast_core #(
    .SrcFmt(RedFmt), .DstFmt(Fmt)
  ) u_cast (
    .a_i(reduced), .y_o(y)
  );

  plena_stream_reg #(
    .Width(SideW + Width)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i(&valid), .in_ready_o(s1_ready), .in_data_i({s1_side, y}),
    .out_valid_o, .out_ready_i, .out_data_o({side_o, y_o})
  );
endmodule
