// SPDX-License-Identifier: Apache-2.0
//
// Stream of codes of one scalar format cast to another: y = RN_dst(a). Either may be fixed point.
//
// Golden twin: golden.ops.cast.
// Method:     plena_fp_cast_core, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   see plena_fp_cast_core and the rounders; Saturate = 0 overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_cast
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt   = Fp32,  // minifloat or fixed point
  parameter  int unsigned DstFmt   = Bf16,  // minifloat or fixed point
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        Src      = fmt_of(SrcFmt),
  localparam fmt_t        Dst      = fmt_of(DstFmt),
  localparam int unsigned SrcWidth = Src.width,
  localparam int unsigned DstWidth = Dst.width
) (
  input  logic                clk_i,        // clock
  input  logic                rst_ni,       // asynchronous reset
  input  logic                in_valid_i,   // a beat is offered
  output logic                in_ready_o,   // and taken
  input  logic [SrcWidth-1:0] a_i,          // code of SrcFmt
  output logic                out_valid_o,  // a result is offered
  input  logic                out_ready_i,  // and taken
  output logic [DstWidth-1:0] y_o           // code of DstFmt
);
  localparam int unsigned Latency = 1;

  if (!is_scalar(SrcFmt)) begin : gen_illegal_src
    $fatal(1, "plena_fp_cast: no format: SrcFmt=%s", fmt_text(SrcFmt));
  end
  if (!is_scalar(DstFmt)) begin : gen_illegal_dst
    $fatal(1, "plena_fp_cast: no format: DstFmt=%s", fmt_text(DstFmt));
  end

  logic [DstWidth-1:0] y;

  plena_fp_cast_core #(
    .SrcFmt(SrcFmt), .DstFmt(DstFmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_core (
    .a_i, .y_o(y)
  );

  plena_stream_reg #(
    .Width(DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
