// SPDX-License-Identifier: Apache-2.0
//
// Stream of blocks of codes quantised to elements and a scale, by the scale t of their tensor.
//
// Golden twin: golden.ops.fp_to_nvfp4.
// Method:     largest magnitude, plena_max_tree | plena_nvfp4_share_core | times t, exact,
//             plena_fp_exact_product | rounded, and to the scale's format, plena_fp_product_round,
//             plena_fp_cast_core | that scale by t, plena_divide_stream, two bits of the quotient a
//             stage | rounded, plena_fp_pack: what elements are divided by | its limits, once a
//             block, plena_quotient_limits | each lane compared with them, plena_limits_element.
//             Lane 0 is in the least significant bits.
// Latency:    8 cycles and one for two bits of the quotient, 21 for fp32; one block a cycle.
// Specials:   a NaN or Inf in the block, or a t that is not positive and finite: elements +0 and
//             the NaN scale, the largest where there is none. Where scale / t is 0 elements are +0.
//             Scale and elements saturate, what is between overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_to_nvfp4
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt     = Bf16,  // minifloat
  parameter  int unsigned Fmt        = Fp32,  // of t and of the steps; minifloat
  parameter  int unsigned ElemFmt    = E2m1,  // minifloat with -0 and without Inf
  parameter  int unsigned ScaleFmt   = E4m3,  // minifloat
  parameter  int unsigned Lanes      = 16,    // elements of a block
  localparam fmt_t        Src        = minifloat_of(SrcFmt),
  localparam fmt_t        F          = minifloat_of(Fmt),
  localparam fmt_t        E          = minifloat_of(ElemFmt),
  localparam fmt_t        S          = minifloat_of(ScaleFmt),
  localparam int unsigned SrcWidth   = Src.width,
  localparam int unsigned Width      = F.width,
  localparam int unsigned ElemWidth  = E.width,
  localparam int unsigned ScaleWidth = S.width
) (
  input  logic                            clk_i,        // clock
  input  logic                            rst_ni,       // asynchronous reset
  input  logic                            in_valid_i,   // a beat is offered
  output logic                            in_ready_o,   // and taken
  input  logic [Lanes-1:0][SrcWidth-1:0]  x_i,          // block of source codes, lane 0 lowest
  input  logic                [Width-1:0] t_i,          // scale of the tensor
  output logic                            out_valid_o,  // a result is offered
  input  logic                            out_ready_i,  // and taken
  output logic [Lanes-1:0][ElemWidth-1:0] codes_o,      // elements, lane 0 lowest
  output logic           [ScaleWidth-1:0] scale_o       // their scale
);
  localparam int unsigned Latency = 8 + (F.man_w + 3) / 2;

  if (!is_minifloat(SrcFmt)) begin : gen_illegal_src
    $fatal(1, "plena_fp_to_nvfp4: no minifloat: SrcFmt=%s", fmt_text(SrcFmt));
  end
  if (!is_minifloat(Fmt)) begin : gen_illegal_fmt
    $fatal(1, "plena_fp_to_nvfp4: no minifloat: Fmt=%s", fmt_text(Fmt));
  end
  if (!is_minifloat(ElemFmt)) begin : gen_illegal_elem
    $fatal(1, "plena_fp_to_nvfp4: no minifloat: ElemFmt=%s", fmt_text(ElemFmt));
  end
  if (!is_minifloat(ScaleFmt)) begin : gen_illegal_scale
    $fatal(1, "plena_fp_to_nvfp4: no minifloat: ScaleFmt=%s", fmt_text(ScaleFmt));
  end
  if (E.specials == SpecialsIeee || E.specials == SpecialsFnuz) begin : gen_illegal_specials
    $fatal(1, "plena_fp_to_nvfp4: an element has -0 and no Inf, got ElemFmt=%s", fmt_text(ElemFmt));
  end
  if (F.specials == SpecialsOcpNan || F.specials == SpecialsFnuz) begin : gen_illegal_overflow
    $fatal(1, "plena_fp_to_nvfp4: steps overflow to Inf or to the largest, not to NaN; Fmt=%s",
           fmt_text(Fmt));
  end
  // Midpoints of elements are normal numbers of Fmt, and a scale's significand is one of Fmt's; the
  // largest element is 1 or more.
  if (E.man_w >= F.man_w || S.man_w > F.man_w || E.bias + int'(E.man_w) >= F.bias
      || int'(max_exp_field(E)) - E.bias > int'(max_exp_field(F)) - F.bias
      || int'(max_exp_field(E)) < E.bias) begin : gen_illegal_steps
    $fatal(1, "plena_fp_to_nvfp4: Fmt=%0d is too narrow for ElemFmt=%0d and ScaleFmt=%0d, or the ",
           Fmt, ElemFmt, ScaleFmt, "largest element is below 1");
  end

  // Stage 1: the largest magnitude.
  logic                           s1_ready, s1_valid, s1_bad;
  logic               [Lanes-1:0] special;
  logic [Lanes-1:0][Width-2:0]    magnitude;
  logic [Lanes-1:0][SrcWidth-1:0] s1_x;
  logic               [Width-1:0] s1_t;
  logic               [Width-2:0] amax, s1_amax;
  logic                           t_inf, t_nan, t_positive;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_magnitude
    logic               src_sign, src_inf, src_nan, sign, inf, nan;
    logic [Src.exp_w-1:0] src_exp;
    logic [Src.man_w:0]   src_sig;
    logic [F.exp_w-1:0]   exp;
    logic [F.man_w:0]     sig;
    logic [Width-1:0]     value;

    plena_fp_unpack #(
      .Fmt(SrcFmt)
    ) u_source (
      .code_i(x_i[lane]), .sign_o(src_sign), .exp_o(src_exp), .sig_o(src_sig), .inf_o(src_inf),
      .nan_o(src_nan)
    );
    plena_fp_cast_core #(
      .SrcFmt(SrcFmt), .DstFmt(Fmt), .Saturate(1'b0)
    ) u_cast (
      .a_i(x_i[lane]), .y_o(value)
    );
    plena_fp_unpack #(
      .Fmt(Fmt)
    ) u_value (
      .code_i(value), .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
    );
    assign special[lane]   = src_inf || src_nan || inf || nan;
    assign magnitude[lane] = value[Width-2:0];

    logic unused_parts;
    assign unused_parts = ^{src_sign, src_exp, src_sig, sign, exp, sig, value[Width-1]};
  end

  plena_max_tree #(
    .Lanes(Lanes), .Width(Width - 1)
  ) u_amax (
    .data_i(magnitude), .max_o(amax)
  );

  logic               t_sign;
  logic [F.exp_w-1:0] t_field;
  logic [F.man_w:0]   t_whole;

  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_t (
    .code_i(t_i), .sign_o(t_sign), .exp_o(t_field), .sig_o(t_whole), .inf_o(t_inf), .nan_o(t_nan)
  );
  assign t_positive = !t_sign && t_whole != '0 && !t_inf && !t_nan;

  plena_stream_reg #(
    .Width(1 + Lanes * SrcWidth + Width + Width - 1)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({special != '0 || !t_positive, x_i, t_i, amax}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_bad, s1_x, s1_t, s1_amax})
  );

  // Stage 2: in units of the largest element.
  logic                           s2_ready, s2_valid, s2_bad;
  logic [Lanes-1:0][SrcWidth-1:0] s2_x;
  logic               [Width-1:0] share, s2_share, s2_t;

  plena_nvfp4_share_core #(
    .Fmt(Fmt), .ElemFmt(ElemFmt)
  ) u_share (
    .amax_i(s1_amax), .share_o(share)
  );

  plena_stream_reg #(
    .Width(1 + Lanes * SrcWidth + 2 * Width)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i({s1_bad, s1_x, s1_t, share}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .out_data_o({s2_bad, s2_x, s2_t, s2_share})
  );

  // Stage 3: times t, exact.
  localparam int unsigned ProdW    = fp_product_width(F);
  localparam int unsigned ProdExpW = fp_product_exp_width(F);

  typedef struct packed {
    logic                sign;
    logic [ProdExpW-1:0] exp;
    logic [ProdW-1:0]    product;
    logic                inf;
    logic                nan;
  } exact_t;

  exact_t                         exact, s3_exact;
  logic                           s3_ready, s3_valid, s3_bad;
  logic [Lanes-1:0][SrcWidth-1:0] s3_x;
  logic               [Width-1:0] s3_t;

  plena_fp_exact_product #(
    .Fmt(Fmt)
  ) u_times_t (
    .a_i(s2_share), .b_i(s2_t),
    .sign_o(exact.sign), .exp_o(exact.exp), .product_o(exact.product), .inf_o(exact.inf),
    .nan_o(exact.nan)
  );

  plena_stream_reg #(
    .Width(1 + Lanes * SrcWidth + Width + $bits(exact_t))
  ) u_stage3 (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i({s2_bad, s2_x, s2_t, exact}),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready), .out_data_o({s3_bad, s3_x, s3_t, s3_exact})
  );

  // Stage 4: the scale.
  logic                           s4_ready, s4_valid, s4_bad;
  logic [Lanes-1:0][SrcWidth-1:0] s4_x;
  logic               [Width-1:0] product, s4_t;
  logic          [ScaleWidth-1:0] scale, s4_scale;

  plena_fp_product_round #(
    .Fmt(Fmt), .Saturate(1'b0)
  ) u_product (
    .sign_i(s3_exact.sign), .exp_i(s3_exact.exp), .product_i(s3_exact.product),
    .inf_i(s3_exact.inf), .nan_i(s3_exact.nan), .y_o(product)
  );
  plena_fp_cast_core #(
    .SrcFmt(Fmt), .DstFmt(ScaleFmt)
  ) u_scale (
    .a_i(product), .y_o(scale)
  );

  plena_stream_reg #(
    .Width(1 + Lanes * SrcWidth + Width + ScaleWidth)
  ) u_stage4 (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready), .in_data_i({s3_bad, s3_x, s3_t, scale}),
    .out_valid_o(s4_valid), .out_ready_i(s4_ready), .out_data_o({s4_bad, s4_x, s4_t, s4_scale})
  );

  // Then scale / t, of significands in 1 .. 2. Half of that is in 1/4 .. 1: perhaps a zero, the bits
  // of the result, the guard bit. A stage makes two bits at most; the first, where significands are
  // normalised before, makes one.
  localparam int unsigned QuotW     = F.man_w + 3;
  localparam int unsigned DivStages = QuotW / 2 + 1;
  localparam int unsigned DenW      = F.man_w + 2;
  localparam int          ScaleLow  = 1 - int'(S.man_w);  // exponents of plena_fp_unpack_normal
  localparam int          ScaleHigh = (1 << S.exp_w) - 1;
  localparam int          TLow      = 1 - int'(F.man_w);
  localparam int          THigh     = (1 << F.exp_w) - 1;
  localparam int unsigned ScaleExpW = signed_width(ScaleLow, ScaleHigh);
  localparam int unsigned TExpW     = signed_width(TLow, THigh);
  localparam int          ExpLow    = ScaleLow - THigh;
  localparam int          ExpHigh   = ScaleHigh - TLow;
  localparam int unsigned ExpW      = signed_width(ExpLow, ExpHigh);

  logic                           scale_sign, scale_zero, scale_inf, scale_nan;
  logic                           nt_sign, nt_zero, nt_inf, nt_nan;
  logic           [ScaleExpW-1:0] scale_exp;  // two's complement, as the others
  logic               [TExpW-1:0] t_exp;
  logic                [ExpW-1:0] exp, quot_exp;
  logic               [S.man_w:0] scale_sig;
  logic               [F.man_w:0] t_sig;
  logic                           quot_ready, quot_valid, quot_bad, quot_zero, quot_inf, sticky;
  logic [Lanes-1:0][SrcWidth-1:0] quot_x;
  logic          [ScaleWidth-1:0] quot_scale;
  logic               [QuotW-1:0] quot;

  plena_fp_unpack_normal #(
    .Fmt(ScaleFmt)
  ) u_unpack_scale (
    .code_i(s4_scale), .sign_o(scale_sign), .exp_o(scale_exp), .sig_o(scale_sig),
    .zero_o(scale_zero), .inf_o(scale_inf), .nan_o(scale_nan)
  );
  plena_fp_unpack_normal #(
    .Fmt(Fmt)
  ) u_unpack_t (
    .code_i(s4_t), .sign_o(nt_sign), .exp_o(t_exp), .sig_o(t_sig), .zero_o(nt_zero),
    .inf_o(nt_inf), .nan_o(nt_nan)
  );

  assign exp = ExpW'($signed(scale_exp)) - ExpW'($signed(t_exp));

  plena_divide_stream #(
    .Width(DenW), .QuotW(QuotW), .SideW(3 + Lanes * SrcWidth + ScaleWidth + ExpW),
    .Stages(DivStages)
  ) u_divide (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready),
    .num_i(DenW'(scale_sig) << (F.man_w - S.man_w)), .den_i({t_sig, 1'b0}),
    .side_i({s4_bad, scale_zero, scale_inf, s4_x, s4_scale, exp}),
    .out_valid_o(quot_valid), .out_ready_i(quot_ready), .quot_o(quot), .sticky_o(sticky),
    .side_o({quot_bad, quot_zero, quot_inf, quot_x, quot_scale, quot_exp})
  );

  // What elements are divided by. Where it is 0 they are, as in a bad block.
  logic                           by_ready, by_valid, by_clear;
  logic [Lanes-1:0][SrcWidth-1:0] by_x;
  logic               [Width-1:0] divisor, by_divisor;
  logic          [ScaleWidth-1:0] by_scale;

  localparam logic [ScaleWidth-1:0] None = ScaleWidth'(nan_code(S));

  plena_fp_pack #(
    .Fmt(Fmt), .InW(QuotW + 1), .ExpMin(ExpLow), .ExpMax(ExpHigh), .ExpOffset(F.bias - S.bias),
    .MaxLz(1), .Saturate(1'b0)
  ) u_divisor (
    .sign_i(1'b0), .sig_i({quot, sticky} & {(QuotW + 1){!quot_zero}}), .exp_i(quot_exp),
    .inf_i(quot_inf), .nan_i(1'b0), .code_o(divisor)
  );

  plena_stream_reg #(
    .Width(1 + Lanes * SrcWidth + Width + ScaleWidth)
  ) u_divisor_reg (
    .clk_i, .rst_ni,
    .in_valid_i(quot_valid), .in_ready_o(quot_ready),
    .in_data_i({quot_bad || divisor == '0, quot_x, divisor, quot_bad ? None : quot_scale}),
    .out_valid_o(by_valid), .out_ready_i(by_ready),
    .out_data_o({by_clear, by_x, by_divisor, by_scale})
  );

  // Its limits.
  localparam int unsigned Count = max_code(E);

  logic                           lim_ready, lim_valid, lim_clear;
  logic [Lanes-1:0][SrcWidth-1:0] lim_x;
  logic     [Count:1][Width-2:0]  limits, lim_limits;
  logic          [ScaleWidth-1:0] lim_scale;

  plena_quotient_limits #(
    .Fmt(Fmt), .ElemFmt(ElemFmt)
  ) u_limits (
    .s_i(by_divisor), .limits_o(limits)
  );

  plena_stream_reg #(
    .Width(1 + Lanes * SrcWidth + Count * (Width - 1) + ScaleWidth)
  ) u_limits_reg (
    .clk_i, .rst_ni,
    .in_valid_i(by_valid), .in_ready_o(by_ready), .in_data_i({by_clear, by_x, limits, by_scale}),
    .out_valid_o(lim_valid), .out_ready_i(lim_ready),
    .out_data_o({lim_clear, lim_x, lim_limits, lim_scale})
  );

  // Elements.
  logic [Lanes-1:0][ElemWidth-1:0] codes;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_element
    logic     [Width-1:0] value;
    logic [ElemWidth-1:0] code;

    plena_fp_cast_core #(
      .SrcFmt(SrcFmt), .DstFmt(Fmt), .Saturate(1'b0)
    ) u_cast (
      .a_i(lim_x[lane]), .y_o(value)
    );
    plena_limits_element #(
      .Fmt(Fmt), .ElemFmt(ElemFmt)
    ) u_element (
      .x_i(value), .limits_i(lim_limits), .code_o(code)
    );
    assign codes[lane] = code & {ElemWidth{!lim_clear}};
  end

  plena_stream_reg #(
    .Width(ScaleWidth + Lanes * ElemWidth)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(lim_valid), .in_ready_o(lim_ready), .in_data_i({lim_scale, codes}),
    .out_valid_o, .out_ready_i, .out_data_o({scale_o, codes_o})
  );

  logic unused_parts;
  assign unused_parts = ^{t_field, scale_sign, scale_nan, nt_sign, nt_zero, nt_inf, nt_nan};
endmodule
