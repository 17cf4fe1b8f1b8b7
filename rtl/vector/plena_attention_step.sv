// SPDX-License-Identifier: Apache-2.0
//
// Attention in FlashAttention's order: one query and a block of keys and values a beat.
//
// Golden twin: golden.ops.attention_step.
// Contract:   a query comes with each block of its keys, from first_i to last_i; y_o, its output,
//             comes for beats with last_i only. k_codes_i is (Keys, Depth), v_codes_i (Cols, Keys),
//             so that all blocks run along the inner index; k_scale_i and v_scale_i have a scale a
//             block. Lane 0 is in the least significant bits.
// Method:     scores by block dots | times 1 / sqrt(Depth) | plena_online_softmax, values beside it
//             | probabilities to MX | block dots with the values | O = O * c + them, kept by the
//             register after it, from +0 with first_i | 1 / l | times O.
// Latency:    28 + Depth / BlockSize + Keys / BlockSize + 2 clog2(Keys) cycles; one block of keys a
//             cycle, also of one query.
// Specials:   those of the steps; overflow saturates. A masked key's p is +0, which a NaN in its
//             block of values makes NaN all the same.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, O +0, the softmax at its start.
module plena_attention_step
  import plena_pkg::*;
#(
  parameter  bit [63:0]   QMx         = pack_mxint(8, 4),  // queries
  parameter  bit [63:0]   KMx         = pack_mxint(8, 4),  // keys
  parameter  bit [63:0]   PMx         = pack_mxint(8, 4),  // probabilities
  parameter  bit [63:0]   VMx         = pack_mxint(8, 4),  // values
  parameter  int unsigned AccFmt      = Fp32,              // of sums; minifloat or fixed point
  parameter  int unsigned Fmt         = Bf16,              // of everything between, up to 16 bits
  parameter  int unsigned RedFmt      = Fp32,              // of sums and maxima
  parameter  int unsigned Keys        = 4,
  parameter  int unsigned Depth       = 4,
  parameter  int unsigned Cols        = 2,
  localparam mx_t         Q           = mx_of(QMx),
  localparam mx_t         K           = mx_of(KMx),
  localparam mx_t         P           = mx_of(PMx),
  localparam mx_t         V           = mx_of(VMx),
  localparam fmt_t        F           = minifloat_of(Fmt),
  localparam int unsigned BlockSize   = Q.block_size,
  localparam int unsigned DepthBlocks = Depth / BlockSize,
  localparam int unsigned KeyBlocks   = Keys / BlockSize,
  localparam int unsigned QWidth      = Q.elem.width,
  localparam int unsigned KWidth      = K.elem.width,
  localparam int unsigned VWidth      = V.elem.width,
  localparam int unsigned Width       = F.width
) (
  input  logic                                       clk_i,        // clock
  input  logic                                       rst_ni,       // asynchronous reset
  input  logic                                       in_valid_i,   // a beat is offered
  output logic                                       in_ready_o,   // and taken
  input  logic            [Depth-1:0][QWidth-1:0]    q_codes_i,    // query
  input  logic      [DepthBlocks-1:0][Q.scale_w-1:0] q_scale_i,    // its scale codes
  input  logic       [Keys*Depth-1:0][KWidth-1:0]    k_codes_i,    // keys, row-major
  input  logic [Keys*DepthBlocks-1:0][K.scale_w-1:0] k_scale_i,    // their scale codes
  input  logic        [Cols*Keys-1:0][VWidth-1:0]    v_codes_i,    // values, column by column
  input  logic   [Cols*KeyBlocks-1:0][V.scale_w-1:0] v_scale_i,    // their scale codes
  input  logic                       [Keys-1:0]      mask_i,       // keys that take part
  input  logic                                       first_i,      // first block of a query
  input  logic                                       last_i,       // its last block
  output logic                                       out_valid_o,  // a result is offered
  input  logic                                       out_ready_i,  // and taken
  output logic             [Cols-1:0][Width-1:0]     y_o           // output, lane 0 lowest
);
  localparam int unsigned Latency = dot_lanes_latency(Depth / BlockSize) + 1
                                  + online_softmax_latency(Keys) + 1
                                  + dot_lanes_latency(Keys / BlockSize) + 1
                                  + function_latency(FunctionReciprocal) + 1;

  if (!is_mx(QMx)) begin : gen_illegal_q
    $fatal(1, "plena_attention_step: no MX format: QMx=%s", mx_text(QMx));
  end
  if (!is_mx(KMx)) begin : gen_illegal_k
    $fatal(1, "plena_attention_step: no MX format: KMx=%s", mx_text(KMx));
  end
  if (!is_mx(PMx)) begin : gen_illegal_p
    $fatal(1, "plena_attention_step: no MX format: PMx=%s", mx_text(PMx));
  end
  if (!is_mx(VMx)) begin : gen_illegal_v
    $fatal(1, "plena_attention_step: no MX format: VMx=%s", mx_text(VMx));
  end
  if (K.block_size != BlockSize || P.block_size != BlockSize || V.block_size != BlockSize)
  begin : gen_illegal_block
    $fatal(1, "plena_attention_step: blocks of %0d, %0d, %0d and %0d elements %s", Q.block_size,
           K.block_size, P.block_size, V.block_size, "(QMx, KMx, PMx, VMx), must be equal");
  end
  if (!is_scalar(AccFmt)) begin : gen_illegal_acc
    $fatal(1, "plena_attention_step: no format: AccFmt=%s", fmt_text(AccFmt));
  end
  if (Keys < 1 || Depth < 1 || Cols < 1 || Keys % BlockSize != 0 || Depth % BlockSize != 0)
  begin : gen_illegal_size
    $fatal(1, "plena_attention_step: Keys=%0d and Depth=%0d must be multiples of BlockSize=%0d",
           Keys, Depth, BlockSize, " and Cols=%0d at least 1", Cols);
  end

  localparam int unsigned PWidth  = P.elem.width;
  localparam int unsigned ValuesW = Cols * (Keys * VWidth + KeyBlocks * V.scale_w);

  // Scores.
  logic       [Keys-1:0][Width-1:0] s1_score, x, s2_x;
  logic    [ValuesW-1:0]            s1_values, s2_values, s3_values;
  logic       [Keys-1:0]            s1_mask, s2_mask;
  logic                 [Width-1:0] scale;
  logic s1_valid, s1_ready, s2_valid, s2_ready, s1_first, s2_first, s3_first, s1_last, s2_last;
  logic s3_last;

  plena_mx_dot_lanes #(
    .AMx(QMx), .BMx(KMx), .AccFmt(AccFmt), .Fmt(Fmt), .Blocks(DepthBlocks), .Lanes(Keys),
    .SideW(ValuesW + Keys + 2)
  ) u_scores (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .a_codes_i(q_codes_i), .a_scale_i(q_scale_i), .b_codes_i(k_codes_i), .b_scale_i(k_scale_i),
    .side_i({v_scale_i, v_codes_i, mask_i, first_i, last_i}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .y_o(s1_score),
    .side_o({s1_values, s1_mask, s1_first, s1_last})
  );

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(reciprocal_root_sig(Depth)), .Exp(-int'(reciprocal_root_shift(Depth)))
  ) u_root (
    .code_o(scale)
  );

  for (genvar key = 0; key < Keys; key++) begin : gen_scale
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_scale (
      .a_i(s1_score[key]), .b_i(scale), .y_o(x[key])
    );
  end

  plena_stream_reg #(
    .Width(Keys * (Width + 1) + ValuesW + 2)
  ) u_scaled (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .in_data_i({x, s1_mask, s1_values, s1_first, s1_last}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready),
    .out_data_o({s2_x, s2_mask, s2_values, s2_first, s2_last})
  );

  // Probabilities; both paths move in step (see plena_delay).
  logic                     [1:0]           valid, ready;
  logic           [Keys-1:0][Width-1:0]     s3_p;
  logic                     [Width-1:0]     s3_c, s3_l, s3_m, s4_c, s4_l;
  logic           [Keys-1:0][PWidth-1:0]    p_codes, s4_p_codes;
  logic      [KeyBlocks-1:0][P.scale_w-1:0] p_scale, s4_p_scale;
  logic      [Cols*Keys-1:0][VWidth-1:0]    s4_v_codes;
  logic [Cols*KeyBlocks-1:0][V.scale_w-1:0] s4_v_scale;
  logic s3_ready, s4_valid, s4_ready, s4_first, s4_last, unused_m;

  assign s2_ready = &ready;
  assign unused_m = ^s3_m;

  plena_online_softmax #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Keys)
  ) u_softmax (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(ready[0]), .x_i(s2_x), .mask_i(s2_mask), .first_i(s2_first),
    .out_valid_o(valid[0]), .out_ready_i(s3_ready),
    .p_o(s3_p), .c_o(s3_c), .l_o(s3_l), .m_o(s3_m)
  );

  plena_delay #(
    .Width(ValuesW + 2), .Depth(online_softmax_latency(Keys))
  ) u_values_beside (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(ready[1]), .in_data_i({s2_values, s2_first, s2_last}),
    .out_valid_o(valid[1]), .out_ready_i(s3_ready), .out_data_o({s3_values, s3_first, s3_last})
  );

  for (genvar block = 0; block < KeyBlocks; block++) begin : gen_quantise
    plena_fp_to_mx_core #(
      .SrcFmt(Fmt), .Mx(PMx)
    ) u_quantise (
      .x_i(s3_p[block*BlockSize+:BlockSize]),
      .codes_o(p_codes[block*BlockSize+:BlockSize]), .scale_o(p_scale[block])
    );
  end

  plena_stream_reg #(
    .Width(Keys * PWidth + KeyBlocks * P.scale_w + ValuesW + 2 * Width + 2)
  ) u_quantised (
    .clk_i, .rst_ni,
    .in_valid_i(&valid), .in_ready_o(s3_ready),
    .in_data_i({p_codes, p_scale, s3_values, s3_c, s3_l, s3_first, s3_last}),
    .out_valid_o(s4_valid), .out_ready_i(s4_ready),
    .out_data_o({s4_p_codes, s4_p_scale, s4_v_scale, s4_v_codes, s4_c, s4_l, s4_first, s4_last})
  );

  // Their product with the values, and the output so far.
  logic [Cols-1:0][Width-1:0] s5_product, shrunk, sum, s6_o, s7_o, y;
  logic           [Width-1:0] s5_c, s5_l, s6_l, s7_inverse;
  logic s5_valid, s5_ready, s5_first, s5_last, s6_valid, s6_ready, s6_last, s7_valid, s7_ready;
  logic divide_ready;

  plena_mx_dot_lanes #(
    .AMx(PMx), .BMx(VMx), .AccFmt(AccFmt), .Fmt(Fmt), .Blocks(KeyBlocks), .Lanes(Cols),
    .SideW(2 * Width + 2)
  ) u_values (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready),
    .a_codes_i(s4_p_codes), .a_scale_i(s4_p_scale), .b_codes_i(s4_v_codes), .b_scale_i(s4_v_scale),
    .side_i({s4_c, s4_l, s4_first, s4_last}),
    .out_valid_o(s5_valid), .out_ready_i(s5_ready), .y_o(s5_product),
    .side_o({s5_c, s5_l, s5_first, s5_last})
  );

  for (genvar col = 0; col < Cols; col++) begin : gen_output
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_shrunk (
      .a_i(s5_first ? '0 : s6_o[col]), .b_i(s5_c), .y_o(shrunk[col])
    );
    plena_fp_add_core #(
      .Fmt(Fmt)
    ) u_sum (
      .a_i(shrunk[col]), .b_i(s5_product[col]), .y_o(sum[col])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_divide (
      .a_i(s7_o[col]), .b_i(s7_inverse), .y_o(y[col])
    );
  end

  plena_stream_reg #(
    .Width((Cols + 1) * Width + 1)
  ) u_sums (
    .clk_i, .rst_ni,
    .in_valid_i(s5_valid), .in_ready_o(s5_ready), .in_data_i({sum, s5_l, s5_last}),
    .out_valid_o(s6_valid), .out_ready_i(s6_ready), .out_data_o({s6_o, s6_l, s6_last})
  );

  // Beats before the last one of a query end here.
  assign s6_ready = divide_ready || !s6_last;

  plena_function_lanes #(
    .Function(FunctionReciprocal), .Fmt(Fmt), .Lanes(1), .SideW(Cols * Width)
  ) u_inverse (
    .clk_i, .rst_ni,
    .in_valid_i(s6_valid && s6_last), .in_ready_o(divide_ready), .a_i(s6_l), .side_i(s6_o),
    .out_valid_o(s7_valid), .out_ready_i(s7_ready), .y_o(s7_inverse), .side_o(s7_o)
  );

  plena_stream_reg #(
    .Width(Cols * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s7_valid), .in_ready_o(s7_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
