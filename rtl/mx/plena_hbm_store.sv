// SPDX-License-Identifier: Apache-2.0
//
// Stream of blocks of minifloat codes quantised to MX and packed into bytes, as memory holds them.
//
// Golden twin: golden.ops.hbm_store.
// Method:     plena_fp_to_mx and wires. Byte 0 is in the least significant bits, element 0 in its
//             lowest; bits of the last element byte beyond the elements are 0; the scale comes last.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_fp_to_mx_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_hbm_store
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt    = Bf16,  // minifloat
  parameter  bit [63:0]   Mx        = pack_mxint(8, 32),
  localparam fmt_t        Src       = minifloat_of(SrcFmt),
  localparam mx_t         M         = mx_of(Mx),
  localparam int unsigned BlockSize = M.block_size,
  localparam int unsigned SrcWidth  = Src.width,
  localparam int unsigned ElemWidth = M.elem.width,
  localparam int unsigned ElemBytes = (BlockSize * ElemWidth + 7) / 8
) (
  input  logic                               clk_i,        // clock
  input  logic                               rst_ni,       // asynchronous reset
  input  logic                               in_valid_i,   // a beat is offered
  output logic                               in_ready_o,   // and taken
  input  logic [BlockSize-1:0][SrcWidth-1:0] x_i,          // block of source codes, lane 0 lowest
  output logic                               out_valid_o,  // a result is offered
  input  logic                               out_ready_i,  // and taken
  output logic   [ElemBytes:0][7:0]          data_o        // bytes of the elements, then the scale
);
  localparam int unsigned Latency = 1;

  logic [BlockSize-1:0][ElemWidth-1:0] codes;
  logic                [M.scale_w-1:0] scale;

  plena_fp_to_mx #(
    .SrcFmt(SrcFmt), .Mx(Mx)
  ) u_quantize (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .x_i,
    .out_valid_o, .out_ready_i, .codes_o(codes), .scale_o(scale)
  );

  assign data_o = {8'(scale), (ElemBytes * 8)'(codes)};
endmodule
