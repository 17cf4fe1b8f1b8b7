// SPDX-License-Identifier: Apache-2.0
//
// Block dot unit for micro-exponents: acc = RN_acc(acc + RN_acc(dot(a, b) * 2^(ea + eb))).
//
// Golden twin: golden.ops.micro_dot.
// Method:     the three stages of plena_mx_dot: exact integer dot, in units of half a step of each
//             side | scale and round once to the accumulator format | ordered accumulate. Lane 0
//             is in the least significant bits. first_i restarts the sum at +0 before its beat; the
//             accumulator moves only with accepted beats.
// Latency:    3 cycles; one block pair a cycle, also into one accumulator. acc_o is the running sum
//             after each beat.
// Specials:   a NaN scale makes the partial NaN (the largest value where the accumulator format has
//             none). Overflow saturates, or wraps if AccFmt does; Saturate = 0 overflows as
//             IEEE 754 does. A zero dot is +0.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, accumulator +0.
module plena_micro_dot
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_micro_mx(8, 32),
  parameter  bit [63:0]   BMx       = pack_micro_mx(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  bit          Saturate  = 1'b1,
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned Pairs     = BlockSize / 2,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned AccWidth  = Acc.width
) (
  input  logic                                clk_i,        // clock
  input  logic                                rst_ni,       // asynchronous reset
  input  logic                                in_valid_i,   // a beat is offered
  output logic                                in_ready_o,   // and taken
  input  logic [BlockSize-1:0][AWidth-1:0]    a_codes_i,    // block of elements, lane 0 lowest
  input  logic [Pairs-1:0]                    a_micro_i,    // micro-exponents, pair 0 lowest
  input  logic                [A.scale_w-1:0] a_scale_i,    // their scale code
  input  logic [BlockSize-1:0][BWidth-1:0]    b_codes_i,    // block of elements, lane 0 lowest
  input  logic [Pairs-1:0]                    b_micro_i,    // micro-exponents, pair 0 lowest
  input  logic                [B.scale_w-1:0] b_scale_i,    // their scale code
  input  logic                                first_i,      // the sum starts at +0
  output logic                                out_valid_o,  // a result is offered
  input  logic                                out_ready_i,  // and taken
  output logic                [AccWidth-1:0]  acc_o         // running sum
);
  localparam int unsigned Latency = 3;

  if (!is_micro_mx(AMx)) begin : gen_illegal_a
    $fatal(1, "plena_micro_dot: no MX format with micro-exponents: AMx=%s", mx_text(AMx));
  end
  if (!is_micro_mx(BMx)) begin : gen_illegal_b
    $fatal(1, "plena_micro_dot: no MX format with micro-exponents: BMx=%s", mx_text(BMx));
  end
  if (B.block_size != BlockSize) begin : gen_illegal_block
    $fatal(1, "plena_micro_dot: blocks of %0d and %0d elements (AMx, BMx), must be equal",
           A.block_size, B.block_size);
  end
  if (!is_scalar(AccFmt)) begin : gen_illegal_acc
    $fatal(1, "plena_micro_dot: no format: AccFmt=%s", fmt_text(AccFmt));
  end

  // Elements in units of half a step: what the sum of stage 1 is a dot of.
  localparam bit [63:0] AHalves = micro_halves(AMx);
  localparam bit [63:0] BHalves = micro_halves(BMx);

  // Stage 1: the exact dot, and the sum of the scale codes.
  localparam int unsigned SumW = mx_dot_width(mx_of(AHalves), mx_of(BHalves));
  localparam int unsigned ScaleSumW = scale_sum_width(A, B);

  logic                 s1_ready, s1_valid, s1_first, s1_nan;
  logic [SumW-1:0]      dot, s1_dot;  // two's complement
  logic [ScaleSumW-1:0] s1_scale;
  logic                 a_scale_nan, b_scale_nan;

  plena_micro_dot_core #(
    .AMx(AMx), .BMx(BMx)
  ) u_dot (
    .a_codes_i, .a_micro_i, .b_codes_i, .b_micro_i, .sum_o(dot)
  );

  assign a_scale_nan = has_scale_nan(A) && a_scale_i == '1;
  assign b_scale_nan = has_scale_nan(B) && b_scale_i == '1;

  plena_stream_reg #(
    .Width(2 + ScaleSumW + SumW)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .in_data_i({first_i, a_scale_nan || b_scale_nan,
                ScaleSumW'(a_scale_i) + ScaleSumW'(b_scale_i), dot}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .out_data_o({s1_first, s1_nan, s1_scale, s1_dot})
  );

  // Stage 2: the partial.
  logic                s2_ready, s2_valid, s2_first;
  logic [AccWidth-1:0] partial, s2_partial;

  plena_mx_partial_core #(
    .AMx(AHalves), .BMx(BHalves), .AccFmt(AccFmt), .Saturate(Saturate)
  ) u_partial (
    .sum_i(s1_dot), .scale_i(s1_scale), .nan_i(s1_nan), .partial_o(partial)
  );

  plena_stream_reg #(
    .Width(1 + AccWidth)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i({s1_first, partial}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .out_data_o({s2_first, s2_partial})
  );

  // Stage 3: the output register is the accumulator; it keeps its value after it was taken.
  logic [AccWidth-1:0] next;

  plena_mx_accumulate_core #(
    .Fmt(AccFmt), .Saturate(Saturate)
  ) u_accumulate (
    .acc_i(acc_o), .partial_i(s2_partial), .first_i(s2_first), .last_i(1'b1), .acc_o(next)
  );

  plena_stream_reg #(
    .Width(AccWidth)
  ) u_stage3 (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i(next),
    .out_valid_o, .out_ready_i, .out_data_o(acc_o)
  );
endmodule
