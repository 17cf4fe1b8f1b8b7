// SPDX-License-Identifier: Apache-2.0
//
// Stream of MX blocks dequantised to scalar codes: y = RN_dst(element * 2^scale_exp).
//
// Golden twin: golden.ops.mx_to_fp.
// Method:     plena_mx_to_fp_core, then one register. Lane 0 is in the least significant bits.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_mx_to_fp_core; Saturate = 0 overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_mx_to_fp
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
  localparam int unsigned DstWidth  = Dst.width
) (
  input  logic                                clk_i,        // clock
  input  logic                                rst_ni,       // asynchronous reset
  input  logic                                in_valid_i,   // a beat is offered
  output logic                                in_ready_o,   // and taken
  input  logic [BlockSize-1:0][ElemWidth-1:0] codes_i,      // elements, lane 0 lowest
  input  logic                [M.scale_w-1:0] scale_i,      // their scale code
  output logic                                out_valid_o,  // a result is offered
  input  logic                                out_ready_i,  // and taken
  output logic [BlockSize-1:0][DstWidth-1:0]  y_o           // block of codes, lane 0 lowest
);
  localparam int unsigned Latency = 1;

  if (!is_mx(Mx)) begin : gen_illegal_mx
    $fatal(1, "plena_mx_to_fp: no MX format: Mx=%s", mx_text(Mx));
  end
  if (!is_scalar(DstFmt)) begin : gen_illegal_dst
    $fatal(1, "plena_mx_to_fp: no format: DstFmt=%s", fmt_text(DstFmt));
  end

  logic [BlockSize-1:0][DstWidth-1:0] y;

  plena_mx_to_fp_core #(
    .Mx(Mx), .DstFmt(DstFmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_core (
    .codes_i, .scale_i, .y_o(y)
  );

  plena_stream_reg #(
    .Width(BlockSize * DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
