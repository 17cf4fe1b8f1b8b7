// SPDX-License-Identifier: Apache-2.0
//
// Stream of codes to integers with a scale: y = RN_dst(RN(x * reciprocal)), saturating.
//
// Golden twin: golden.ops.fp_to_int.
// Method:     the product in Fmt, plena_fp_cast_core and plena_fp_mul_core | rounded to an integer,
//             plena_fp_cast_core. The reciprocal of the scale comes in: it belongs to many values.
// Latency:    2 cycles; one result a cycle.
// Specials:   Inf saturates. A NaN reciprocal gives 0, any other NaN the largest integer.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_to_int
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt   = Bf16,  // minifloat
  parameter  int unsigned Fmt      = Fp32,  // of the reciprocal and the product; minifloat
  parameter  int unsigned DstFmt   = pack_fixed(8, 0, 1'b0, 1'b0),  // integer
  localparam fmt_t        Src      = minifloat_of(SrcFmt),
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam fmt_t        Dst      = fmt_of(DstFmt),
  localparam int unsigned SrcWidth = Src.width,
  localparam int unsigned Width    = F.width,
  localparam int unsigned DstWidth = Dst.width
) (
  input  logic                clk_i,         // clock
  input  logic                rst_ni,        // asynchronous reset
  input  logic                in_valid_i,    // a beat is offered
  output logic                in_ready_o,    // and taken
  input  logic [SrcWidth-1:0] x_i,           // number
  input  logic    [Width-1:0] reciprocal_i,  // of the scale
  output logic                out_valid_o,   // a result is offered
  input  logic                out_ready_i,   // and taken
  output logic [DstWidth-1:0] y_o            // integer, two's complement
);
  localparam int unsigned Latency = 2;

  if (!is_minifloat(SrcFmt)) begin : gen_illegal_src
    $fatal(1, "plena_fp_to_int: no minifloat: SrcFmt=%s", fmt_text(SrcFmt));
  end
  if (!is_minifloat(Fmt)) begin : gen_illegal_fmt
    $fatal(1, "plena_fp_to_int: no minifloat: Fmt=%s", fmt_text(Fmt));
  end
  if (!is_scalar(DstFmt) || Dst.exp_w != 0 || Dst.man_w != 0 || Dst.wrap) begin : gen_illegal_dst
    $fatal(1, "plena_fp_to_int: no integer that saturates: DstFmt=%s", fmt_text(DstFmt));
  end

  // Stage 1: the product.
  logic               s1_ready, s1_valid, s1_lost;
  logic   [Width-1:0] value, product, s1_product;
  logic               sign, inf, nan;
  logic [F.exp_w-1:0] exp;
  logic   [F.man_w:0] sig;

  plena_fp_cast_core #(
    .SrcFmt(SrcFmt), .DstFmt(Fmt), .Saturate(1'b0)
  ) u_value (
    .a_i(x_i), .y_o(value)
  );
  plena_fp_mul_core #(
    .Fmt(Fmt), .Saturate(1'b0)
  ) u_product (
    .a_i(value), .b_i(reciprocal_i), .y_o(product)
  );
  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i(reciprocal_i), .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
  );

  plena_stream_reg #(
    .Width(1 + Width)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({nan, product}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_lost, s1_product})
  );

  // Stage 2: the integer.
  logic [DstWidth-1:0] integer_code;

  plena_fp_cast_core #(
    .SrcFmt(Fmt), .DstFmt(DstFmt)
  ) u_integer (
    .a_i(s1_product), .y_o(integer_code)
  );

  plena_stream_reg #(
    .Width(DstWidth)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .in_data_i(integer_code & {DstWidth{!s1_lost}}),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );

  logic unused_parts;
  assign unused_parts = ^{sign, inf, exp, sig};
endmodule
