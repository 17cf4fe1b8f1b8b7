// SPDX-License-Identifier: Apache-2.0
//
// Stream of blocks of minifloat codes quantised to integers with micro-exponents: MX4, MX6, MX9.
//
// Golden twin: golden.ops.fp_to_micro.
// Method:     plena_fp_to_micro_core, then one register. Lane 0 is in the least significant bits.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_fp_to_micro_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_to_micro
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt    = Bf16,  // minifloat
  parameter  bit [63:0]   Mx        = pack_micro_mx(8, 32),
  localparam fmt_t        Src       = minifloat_of(SrcFmt),
  localparam mx_t         M         = mx_of(Mx),
  localparam int unsigned BlockSize = M.block_size,
  localparam int unsigned Pairs     = BlockSize / 2,
  localparam int unsigned SrcWidth  = Src.width,
  localparam int unsigned ElemWidth = M.elem.width
) (
  input  logic                                clk_i,        // clock
  input  logic                                rst_ni,       // asynchronous reset
  input  logic                                in_valid_i,   // a beat is offered
  output logic                                in_ready_o,   // and taken
  input  logic [BlockSize-1:0][SrcWidth-1:0]  x_i,          // block of source codes, lane 0 lowest
  output logic                                out_valid_o,  // a result is offered
  input  logic                                out_ready_i,  // and taken
  output logic [BlockSize-1:0][ElemWidth-1:0] codes_o,      // elements, lane 0 lowest
  output logic [Pairs-1:0]                    micro_o,      // micro-exponents, pair 0 lowest
  output logic                [M.scale_w-1:0] scale_o       // code of the shared exponent
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(SrcFmt)) begin : gen_illegal_src
    $fatal(1, "plena_fp_to_micro: no minifloat: SrcFmt=%s", fmt_text(SrcFmt));
  end
  if (!is_micro_mx(Mx)) begin : gen_illegal_mx
    $fatal(1, "plena_fp_to_micro: no MX format with micro-exponents: Mx=%s", mx_text(Mx));
  end

  logic [BlockSize-1:0][ElemWidth-1:0] codes;
  logic [Pairs-1:0]                    micro;
  logic                [M.scale_w-1:0] scale;

  plena_fp_to_micro_core #(
    .SrcFmt(SrcFmt), .Mx(Mx)
  ) u_core (
    .x_i, .codes_o(codes), .micro_o(micro), .scale_o(scale)
  );

  plena_stream_reg #(
    .Width(BlockSize * ElemWidth + Pairs + M.scale_w)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({scale, micro, codes}),
    .out_valid_o, .out_ready_i, .out_data_o({scale_o, micro_o, codes_o})
  );
endmodule
