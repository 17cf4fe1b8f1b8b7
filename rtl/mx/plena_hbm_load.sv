// SPDX-License-Identifier: Apache-2.0
//
// Stream of MX blocks as memory holds them, unpacked and dequantised to scalar codes.
//
// Golden twin: golden.ops.hbm_load.
// Method:     wires and plena_mx_to_fp. Bytes lie as plena_hbm_store leaves them; bits that no
//             element and no scale uses are ignored.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_mx_to_fp_core; Saturate = 0 overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_hbm_load
  import plena_pkg::*;
#(
  parameter  bit [63:0]   Mx        = pack_mxint(8, 32),
  parameter  int unsigned DstFmt    = Bf16,  // minifloat or fixed point
  parameter  int unsigned Rounding  = RoundNearestEven,
  parameter  bit          Saturate  = 1'b1,
  localparam mx_t         M         = mx_of(Mx),
  localparam fmt_t        Dst       = fmt_of(DstFmt),
  localparam int unsigned BlockSize = M.block_size,
  localparam int unsigned ElemWidth = M.elem.width,
  localparam int unsigned ElemBytes = (BlockSize * ElemWidth + 7) / 8,
  localparam int unsigned DstWidth  = Dst.width
) (
  input  logic                               clk_i,        // clock
  input  logic                               rst_ni,       // asynchronous reset
  input  logic                               in_valid_i,   // a beat is offered
  output logic                               in_ready_o,   // and taken
  input  logic   [ElemBytes:0][7:0]          data_i,       // bytes of the elements, then the scale
  output logic                               out_valid_o,  // a result is offered
  input  logic                               out_ready_i,  // and taken
  output logic [BlockSize-1:0][DstWidth-1:0] y_o           // block of codes, lane 0 lowest
);
  localparam int unsigned Latency = 1;

  logic [8*ElemBytes-1:0] elements;
  logic             [7:0] scale;
  logic                   unused_bits;

  assign {scale, elements} = data_i;
  assign unused_bits       = ^{scale, elements};

  plena_mx_to_fp #(
    .Mx(Mx), .DstFmt(DstFmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_dequantize (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o,
    .codes_i(elements[BlockSize*ElemWidth-1:0]), .scale_i(scale[M.scale_w-1:0]),
    .out_valid_o, .out_ready_i, .y_o
  );
endmodule
