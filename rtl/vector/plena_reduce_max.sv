// SPDX-License-Identifier: Apache-2.0
//
// Stream of reduced vectors: the largest of seed and masked lanes.
//
// Golden twin: golden.ops.reduce_max.
// Method:     plena_reduce.
// Latency:    2 + clog2(Lanes) cycles; one vector a cycle. Lane 0 is in the least significant bits.
// Specials, handshake, reset: see plena_reduce.
module plena_reduce_max
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt   = Bf16,  // minifloat
  parameter  int unsigned DstFmt   = Fp32,  // minifloat, of sums and maxima
  parameter  int unsigned Lanes    = 16,
  localparam fmt_t        Src      = minifloat_of(SrcFmt),
  localparam fmt_t        Dst      = minifloat_of(DstFmt),
  localparam int unsigned SrcWidth = Src.width,
  localparam int unsigned DstWidth = Dst.width
) (
  input  logic                           clk_i,        // clock
  input  logic                           rst_ni,       // asynchronous reset
  input  logic                           in_valid_i,   // a beat is offered
  output logic                           in_ready_o,   // and taken
  input  logic [Lanes-1:0][SrcWidth-1:0] x_i,          // vector, lane 0 lowest
  input  logic            [Lanes-1:0]    mask_i,       // lanes that take part
  input  logic            [DstWidth-1:0] seed_i,       // takes part in any case
  output logic                           out_valid_o,  // a result is offered
  input  logic                           out_ready_i,  // and taken
  output logic            [DstWidth-1:0] y_o           // reduced code
);
  localparam int unsigned Latency = 2 + $clog2(Lanes);

  plena_reduce #(
    .SrcFmt(SrcFmt), .DstFmt(DstFmt), .Lanes(Lanes), .Largest(1'b1)
  ) u_reduce (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .x_i, .mask_i, .seed_i,
    .out_valid_o, .out_ready_i, .y_o
  );
endmodule
