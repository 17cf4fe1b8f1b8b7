// SPDX-License-Identifier: Apache-2.0
//
// Stream of blocks of one MX format requantised to another.
//
// Golden twin: golden.ops.mx_requantize.
// Method:     plena_mx_requantize_core, then one register. Lane 0 is in the least significant bits.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_mx_requantize_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_mx_requantize
  import plena_pkg::*;
#(
  parameter  bit [63:0]   SrcMx     = pack_mxint(8, 32),
  parameter  bit [63:0]   DstMx     = pack_mxint(4, 32),
  localparam mx_t         Src       = mx_of(SrcMx),
  localparam mx_t         Dst       = mx_of(DstMx),
  localparam int unsigned BlockSize = Src.block_size,
  localparam int unsigned SrcWidth  = Src.elem.width,
  localparam int unsigned DstWidth  = Dst.elem.width
) (
  input  logic                                  clk_i,        // clock
  input  logic                                  rst_ni,       // asynchronous reset
  input  logic                                  in_valid_i,   // a beat is offered
  output logic                                  in_ready_o,   // and taken
  input  logic [BlockSize-1:0][SrcWidth-1:0]    codes_i,      // elements, lane 0 lowest
  input  logic                [Src.scale_w-1:0] scale_i,      // their scale code
  output logic                                  out_valid_o,  // a result is offered
  input  logic                                  out_ready_i,  // and taken
  output logic [BlockSize-1:0][DstWidth-1:0]    codes_o,      // elements, lane 0 lowest
  output logic                [Dst.scale_w-1:0] scale_o       // their scale code
);
  localparam int unsigned Latency = 1;

  if (!is_mx(SrcMx)) begin : gen_illegal_src
    $fatal(1, "plena_mx_requantize: no MX format: SrcMx=%s", mx_text(SrcMx));
  end
  if (!is_mx(DstMx)) begin : gen_illegal_dst
    $fatal(1, "plena_mx_requantize: no MX format: DstMx=%s", mx_text(DstMx));
  end
  if (Dst.block_size != BlockSize) begin : gen_illegal_block
    $fatal(1, "plena_mx_requantize: blocks of %0d and %0d elements (SrcMx, DstMx), must be equal",
           Src.block_size, Dst.block_size);
  end

  logic [BlockSize-1:0][DstWidth-1:0]    codes;
  logic                [Dst.scale_w-1:0] scale;

  plena_mx_requantize_core #(
    .SrcMx(SrcMx), .DstMx(DstMx)
  ) u_core (
    .codes_i, .scale_i, .codes_o(codes), .scale_o(scale)
  );

  plena_stream_reg #(
    .Width(Dst.scale_w + BlockSize * DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({scale, codes}),
    .out_valid_o, .out_ready_i, .out_data_o({scale_o, codes_o})
  );
endmodule
