// SPDX-License-Identifier: Apache-2.0
//
// Dot unit of blocks with minifloat scales: acc = RN_acc(acc + RN_acc(dot(a, b) * sa * sb)).
//
// Golden twin: golden.ops.nvfp4_dot.
// Method:     four stages: exact integer dot, plena_mx_dot_core, and beside it the exact product of
//             both scales | their exact product | rounded once to the accumulator format,
//             plena_fp_pack | ordered accumulate, plena_mx_accumulate_core. Lane 0 is in the least
//             significant bits. first_i restarts the sum at +0 before its beat; the accumulator
//             moves only with accepted beats.
// Latency:    4 cycles; one block pair a cycle, also into one accumulator. acc_o is the running sum
//             after each beat.
// Specials:   an Inf or NaN element or scale makes the partial NaN (the largest value where the
//             accumulator format has none). Overflow saturates, or wraps if AccFmt does;
//             Saturate = 0 overflows as IEEE 754 does. A zero dot is +0.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, accumulator +0.
module plena_nvfp4_dot
  import plena_pkg::*;
#(
  parameter  int unsigned ElemFmt    = E2m1,  // minifloat
  parameter  int unsigned ScaleFmt   = E4m3,  // minifloat
  parameter  int unsigned AccFmt     = Fp32,  // of sums; minifloat or fixed point
  parameter  int unsigned Lanes      = 16,    // elements of a block
  parameter  bit          Saturate   = 1'b1,
  localparam fmt_t        E          = minifloat_of(ElemFmt),
  localparam fmt_t        S          = minifloat_of(ScaleFmt),
  localparam fmt_t        Acc        = fmt_of(AccFmt),
  localparam int unsigned ElemWidth  = E.width,
  localparam int unsigned ScaleWidth = S.width,
  localparam int unsigned AccWidth   = Acc.width
) (
  input  logic                            clk_i,        // clock
  input  logic                            rst_ni,       // asynchronous reset
  input  logic                            in_valid_i,   // a beat is offered
  output logic                            in_ready_o,   // and taken
  input  logic [Lanes-1:0][ElemWidth-1:0] a_codes_i,    // block of elements, lane 0 lowest
  input  logic           [ScaleWidth-1:0] a_scale_i,    // their scale
  input  logic [Lanes-1:0][ElemWidth-1:0] b_codes_i,    // block of elements, lane 0 lowest
  input  logic           [ScaleWidth-1:0] b_scale_i,    // their scale
  input  logic                            first_i,      // the sum starts at +0
  output logic                            out_valid_o,  // a result is offered
  input  logic                            out_ready_i,  // and taken
  output logic             [AccWidth-1:0] acc_o         // running sum
);
  localparam int unsigned Latency = 4;

  // Blocks without their scales.
  localparam bit [63:0] Mx = pack_mx(ElemFmt, Lanes, 8, RuleFloor, RoundNearestEven);
  localparam mx_t       M  = mx_of(Mx);

  if (!is_minifloat(ElemFmt)) begin : gen_illegal_elem
    $fatal(1, "plena_nvfp4_dot: no minifloat: ElemFmt=%s", fmt_text(ElemFmt));
  end
  if (!is_minifloat(ScaleFmt)) begin : gen_illegal_scale
    $fatal(1, "plena_nvfp4_dot: no minifloat: ScaleFmt=%s", fmt_text(ScaleFmt));
  end
  if (!is_scalar(AccFmt)) begin : gen_illegal_acc
    $fatal(1, "plena_nvfp4_dot: no format: AccFmt=%s", fmt_text(AccFmt));
  end
  if (!is_mx(Mx)) begin : gen_illegal_mx
    $fatal(1, "plena_nvfp4_dot: no block of Lanes=%0d elements ElemFmt=%s", Lanes,
           fmt_text(ElemFmt));
  end

  // Stage 1: the exact dot, and the product of the scales' significands.
  localparam int unsigned SumW    = mx_dot_width(M, M);
  localparam int unsigned FactorW = 2 * (S.man_w + 1);
  localparam int          ExpMin  = 2;                           // sum of two exponent fields
  localparam int          ExpMax  = 2 * ((1 << S.exp_w) - 1);
  localparam int unsigned ExpW    = signed_width(ExpMin, ExpMax);

  logic                 a_sign, a_inf, a_nan, b_sign, b_inf, b_nan, special;
  logic   [S.exp_w-1:0] a_exp, b_exp;
  logic     [S.man_w:0] a_sig, b_sig;
  logic      [SumW-1:0] dot, s1_dot;  // two's complement
  logic   [FactorW-1:0] s1_factor;
  logic      [ExpW-1:0] s1_exp;
  logic                 s1_ready, s1_valid, s1_first, s1_nan, s1_negative;

  plena_mx_dot_core #(
    .AMx(Mx), .BMx(Mx)
  ) u_dot (
    .a_codes_i, .b_codes_i, .sum_o(dot), .special_o(special)
  );
  plena_fp_unpack #(
    .Fmt(ScaleFmt)
  ) u_unpack_a (
    .code_i(a_scale_i), .sign_o(a_sign), .exp_o(a_exp), .sig_o(a_sig), .inf_o(a_inf), .nan_o(a_nan)
  );
  plena_fp_unpack #(
    .Fmt(ScaleFmt)
  ) u_unpack_b (
    .code_i(b_scale_i), .sign_o(b_sign), .exp_o(b_exp), .sig_o(b_sig), .inf_o(b_inf), .nan_o(b_nan)
  );

  plena_stream_reg #(
    .Width(3 + ExpW + FactorW + SumW)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .in_data_i({first_i, special || a_inf || a_nan || b_inf || b_nan, a_sign ^ b_sign,
                ExpW'(a_exp) + ExpW'(b_exp), FactorW'(a_sig) * FactorW'(b_sig), dot}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .out_data_o({s1_first, s1_nan, s1_negative, s1_exp, s1_factor, s1_dot})
  );

  // Stage 2: times the scales. The magnitude of the dot needs no more than SumW - 1 bits.
  localparam int unsigned MagW = SumW - 1 + FactorW;

  logic [SumW-2:0] dot_mag;
  logic [MagW-1:0] s2_mag;
  logic [ExpW-1:0] s2_exp;
  logic            s2_ready, s2_valid, s2_first, s2_nan, s2_sign;

  assign dot_mag = s1_dot[SumW-1] ? -s1_dot[SumW-2:0] : s1_dot[SumW-2:0];

  plena_stream_reg #(
    .Width(3 + ExpW + MagW)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .in_data_i({s1_first, s1_nan, s1_dot[SumW-1] ^ s1_negative, s1_exp,
                MagW'(dot_mag) * MagW'(s1_factor)}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready),
    .out_data_o({s2_first, s2_nan, s2_sign, s2_exp, s2_mag})
  );

  // Stage 3: the partial. Units of elements and of scales follow from their biases.
  localparam int Lsb = 2 * (1 - E.bias - int'(E.man_w)) - 2 * (S.bias + int'(S.man_w));

  logic                s3_ready, s3_valid, s3_first;
  logic [AccWidth-1:0] partial, s3_partial;

  plena_fp_pack #(
    .Fmt(AccFmt), .InW(MagW), .ExpMin(ExpMin), .ExpMax(ExpMax), .ExpOffset(int'(MagW) - 1 + Lsb),
    .Saturate(Saturate)
  ) u_partial (
    .sign_i(s2_sign && s2_mag != '0), .sig_i(s2_mag), .exp_i(s2_exp), .inf_i(1'b0),
    .nan_i(s2_nan), .code_o(partial)
  );

  plena_stream_reg #(
    .Width(1 + AccWidth)
  ) u_stage3 (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i({s2_first, partial}),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready), .out_data_o({s3_first, s3_partial})
  );

  // Stage 4: the output register is the accumulator; it keeps its value after it was taken.
  logic [AccWidth-1:0] next;

  plena_mx_accumulate_core #(
    .Fmt(AccFmt), .Saturate(Saturate)
  ) u_accumulate (
    .acc_i(acc_o), .partial_i(s3_partial), .first_i(s3_first), .last_i(1'b1), .acc_o(next)
  );

  plena_stream_reg #(
    .Width(AccWidth)
  ) u_stage4 (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready), .in_data_i(next),
    .out_valid_o, .out_ready_i, .out_data_o(acc_o)
  );
endmodule
