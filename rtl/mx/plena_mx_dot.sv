// Block dot unit: acc = RN_acc(acc + RN_acc(dot(a, b) * 2^(ea + eb))), one pair of blocks a beat.
//
// Golden twin: golden.ops.mx_dot.
// Method:     three stages: exact integer dot | scale and round once to the accumulator format |
//             ordered accumulate. Lane 0 is in the least significant bits. first_i restarts the
//             sum at +0 before its beat; the accumulator moves only with accepted beats.
// Latency:    3 cycles; one block pair a cycle, also into one accumulator. acc_o is the running sum
//             after each beat.
// Specials:   a NaN scale, or an Inf or NaN element, makes the partial NaN (the largest value where
//             the accumulator format has none). Overflow saturates, or wraps if AccWrap; Saturate
//             = 0 overflows as IEEE 754 does. A zero dot is +0.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, accumulator +0.
module plena_mx_dot
  import plena_pkg::*;
#(
  parameter  int unsigned AExpW       = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW       = 6,
  parameter  int          ABias       = 0,
  parameter  int unsigned ASpecials   = SpecialsNone,
  parameter  int unsigned AScaleW     = 8,
  parameter  int unsigned BExpW       = 0,
  parameter  int unsigned BManW       = 6,
  parameter  int          BBias       = 0,
  parameter  int unsigned BSpecials   = SpecialsNone,
  parameter  int unsigned BScaleW     = 8,
  parameter  int unsigned BlockSize   = 32,
  parameter  int unsigned AccExpW     = 8,              // 0: fixed point, AccIntW.AccManW bits
  parameter  int unsigned AccManW     = 23,
  parameter  int          AccBias     = 127,
  parameter  int unsigned AccSpecials = SpecialsIeee,
  parameter  int unsigned AccIntW     = 2,
  parameter  bit          AccWrap     = 1'b0,
  parameter  bit          Saturate    = 1'b1,
  localparam int unsigned AWidth      = AExpW == 0 ? 2 + AManW : 1 + AExpW + AManW,
  localparam int unsigned BWidth      = BExpW == 0 ? 2 + BManW : 1 + BExpW + BManW,
  localparam int unsigned AccWidth    = AccExpW == 0 ? AccIntW + AccManW : 1 + AccExpW + AccManW
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             in_valid_i,
  output logic                             in_ready_o,
  input  logic [BlockSize-1:0][AWidth-1:0] a_codes_i,
  input  logic               [AScaleW-1:0] a_scale_i,
  input  logic [BlockSize-1:0][BWidth-1:0] b_codes_i,
  input  logic               [BScaleW-1:0] b_scale_i,
  input  logic                             first_i,
  output logic                             out_valid_o,
  input  logic                             out_ready_i,
  output logic              [AccWidth-1:0] acc_o
);
  localparam int unsigned Latency = 3;

  if (!is_mx_element(AExpW, AManW, ABias, ASpecials)) begin : gen_illegal_a
    $fatal(1, "plena_mx_dot: no MX element has AExpW=%0d AManW=%0d ABias=%0d ASpecials=%0d",
           AExpW, AManW, ABias, ASpecials);
  end
  if (!is_mx_element(BExpW, BManW, BBias, BSpecials)) begin : gen_illegal_b
    $fatal(1, "plena_mx_dot: no MX element has BExpW=%0d BManW=%0d BBias=%0d BSpecials=%0d",
           BExpW, BManW, BBias, BSpecials);
  end
  if (!is_mx_block(BlockSize, AScaleW) || !is_mx_block(BlockSize, BScaleW)) begin : gen_illegal_block
    $fatal(1, "plena_mx_dot: BlockSize=%0d (1..4096), AScaleW=%0d BScaleW=%0d (2..8)",
           BlockSize, AScaleW, BScaleW);
  end
  if (!is_scalar(AccExpW, AccManW, AccBias, AccSpecials, AccIntW)) begin : gen_illegal_acc
    $fatal(1, "plena_mx_dot: no format has AccExpW=%0d AccManW=%0d AccBias=%0d AccSpecials=%0d",
           AccExpW, AccManW, AccBias, AccSpecials, " AccIntW=%0d", AccIntW);
  end

  // Stage 1: the exact dot, and the sum of the scale codes.
  localparam int unsigned SumW = mx_product_width(AExpW, AManW, ASpecials, BExpW, BManW, BSpecials)
                               + $clog2(BlockSize);
  localparam int unsigned ScaleSumW = max(AScaleW, BScaleW) + 1;

  logic                 s1_ready, s1_valid, s1_first, s1_nan;
  logic [SumW-1:0]      dot, s1_dot;  // two's complement
  logic [ScaleSumW-1:0] s1_scale;
  logic                 special, a_scale_nan, b_scale_nan;

  plena_mx_dot_core #(
    .AExpW(AExpW), .AManW(AManW), .ASpecials(ASpecials),
    .BExpW(BExpW), .BManW(BManW), .BSpecials(BSpecials), .BlockSize(BlockSize)
  ) u_dot (
    .a_codes_i, .b_codes_i, .sum_o(dot), .special_o(special)
  );

  assign a_scale_nan = AScaleW == 8 && a_scale_i == '1;
  assign b_scale_nan = BScaleW == 8 && b_scale_i == '1;

  plena_stream_reg #(
    .Width(2 + ScaleSumW + SumW)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .in_data_i({first_i, special || a_scale_nan || b_scale_nan,
                ScaleSumW'(a_scale_i) + ScaleSumW'(b_scale_i), dot}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .out_data_o({s1_first, s1_nan, s1_scale, s1_dot})
  );

  // Stage 2: the partial.
  logic                s2_ready, s2_valid, s2_first;
  logic [AccWidth-1:0] partial, s2_partial;

  plena_mx_partial_core #(
    .AExpW(AExpW), .AManW(AManW), .ABias(ABias), .ASpecials(ASpecials), .AScaleW(AScaleW),
    .BExpW(BExpW), .BManW(BManW), .BBias(BBias), .BSpecials(BSpecials), .BScaleW(BScaleW),
    .BlockSize(BlockSize),
    .AccExpW(AccExpW), .AccManW(AccManW), .AccBias(AccBias), .AccSpecials(AccSpecials),
    .AccIntW(AccIntW), .AccWrap(AccWrap), .Saturate(Saturate)
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
    .AccExpW(AccExpW), .AccManW(AccManW), .AccSpecials(AccSpecials), .AccIntW(AccIntW),
    .AccWrap(AccWrap), .Saturate(Saturate)
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
