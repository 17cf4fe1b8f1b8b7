// SPDX-License-Identifier: Apache-2.0
//
// A block of minifloat codes to integers with a micro-exponent a pair and a shared exponent.
//
// Golden twin: golden.ops.fp_to_micro, golden.blocks.micro.quantize_micro.
// Method:     the larger magnitude of each pair, the largest of these by a tree, and from it the
//             shared exponent E as of MXINT by `floor`. A pair's micro-exponent m says that its
//             larger magnitude is below the code of 2^E; per lane the exact x * 2^(m - E) is
//             rounded once by plena_fp_pack.
// Specials:   an all-zero block has scale, micro-exponents and elements 0. Inf or NaN in the block
//             makes the NaN scale, and else the same. Elements saturate, symmetrically.
// Latency:    combinational.
module plena_fp_to_micro_core
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
  input  logic [BlockSize-1:0][SrcWidth-1:0]  x_i,      // block of source codes, lane 0 lowest
  output logic [BlockSize-1:0][ElemWidth-1:0] codes_o,  // elements, lane 0 lowest
  output logic [Pairs-1:0]                    micro_o,  // micro-exponents, pair 0 lowest
  output logic                [M.scale_w-1:0] scale_o   // code of the shared exponent
);
  localparam int CodeMax    = max_scale_code(M);
  // Scale code - exponent field of the same binade.
  localparam int CodeOffset = scale_bias(M) - Src.bias;
  // Fraction bits of amax that the scale looks at: a leading one in its reach.
  localparam int unsigned FracW = min(Src.man_w, max(CodeOffset, 0));
  localparam int unsigned AmaxW = Src.exp_w + FracW;
  // Fraction bits that tell magnitudes from 2^E: a subnormal one at scale code 0 has its only bit
  // at place CodeOffset + 1 below the point.
  localparam int unsigned BelowW = min(Src.man_w, max(CodeOffset + 1, 0));
  localparam int unsigned MagW   = Src.exp_w + BelowW;

  // The exponent field of 2^E, two's complement: 0 and less for a subnormal one.
  localparam int          FieldMin = -CodeOffset;
  localparam int          FieldMax = CodeMax - CodeOffset;
  localparam int unsigned FieldW   = max(signed_width(FieldMin, FieldMax), Src.exp_w + 1);
  localparam int unsigned LimitW   = FieldW - 1 + BelowW;

  // What plena_fp_pack is told about the exponent of x * 2^(m - E), as field - scale code + m: amax
  // lands in the largest binade, unless the scale meets its largest code; a subnormal lane counts
  // as field 1, at the lowest scale code that a block can have.
  localparam int          SrcFieldMax = int'(max_exp_field(Src));
  localparam int          CodeMin     = min(max(1 - int'(Src.man_w) + CodeOffset, 0), CodeMax);
  localparam int          ExpMin      = 1 - CodeMax;
  localparam int          ExpMax      = max(max(SrcFieldMax - CodeMax, 2 - CodeMin), -CodeOffset);
  localparam int unsigned ExpInW      = signed_width(ExpMin, ExpMax);

  logic [BlockSize-1:0]                sign, inf, nan, nonzero;
  logic [BlockSize-1:0][Src.exp_w-1:0] exp;
  logic [BlockSize-1:0][Src.man_w:0]   sig;
  logic [BlockSize-1:0][MagW-1:0]      magnitude;
  logic [Pairs-1:0][MagW-1:0]          larger;
  logic [Pairs-1:0][AmaxW-1:0]         larger_top;
  logic [AmaxW-1:0]                    amax;
  logic [M.scale_w-1:0]                scale;
  logic [FieldW-1:0]                   field, zeros;  // of 2^E; places below field 1
  logic [LimitW-1:0]                   limit;         // magnitude of 2^E
  logic                                all_nan;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_unpack
    plena_fp_unpack #(
      .Fmt(SrcFmt)
    ) u_unpack (
      .code_i(x_i[lane]), .sign_o(sign[lane]), .exp_o(exp[lane]), .sig_o(sig[lane]),
      .inf_o(inf[lane]), .nan_o(nan[lane])
    );
    assign nonzero[lane]   = x_i[lane][SrcWidth-2:0] != '0;
    assign magnitude[lane] = x_i[lane][SrcWidth-2-:MagW];
  end

  for (genvar pair = 0; pair < Pairs; pair++) begin : gen_pair
    assign larger[pair]     = magnitude[2*pair+1] > magnitude[2*pair] ? magnitude[2*pair+1]
                                                                      : magnitude[2*pair];
    assign larger_top[pair] = larger[pair][MagW-1-:AmaxW];
  end

  plena_max_tree #(
    .Lanes(Pairs), .Width(AmaxW)
  ) u_amax (
    .data_i(larger_top), .max_o(amax)
  );

  plena_mx_scale #(
    .SrcFmt(SrcFmt), .Mx(Mx), .FracW(FracW), .CodeOffset(CodeOffset)
  ) u_scale (
    .amax_i(amax), .scale_o(scale)
  );

  assign field = FieldW'(scale) - FieldW'(CodeOffset);
  assign zeros = FieldW'(1) - field;

  always_comb begin
    limit = LimitW'(field[FieldW-2:0]) << BelowW;
    if (field[FieldW-1] || field == '0) begin
      limit = (LimitW'(1) << BelowW) >> zeros;
      if (limit == '0) limit = LimitW'(1);  // below the smallest magnitude
    end
  end

  // With a special in the block everything is decided, and no magnitude matters.
  assign all_nan = (inf | nan) != '0;
  assign scale_o = all_nan ? '1 : scale;

  for (genvar pair = 0; pair < Pairs; pair++) begin : gen_micro
    logic micro;
    assign micro         = LimitW'(larger[pair]) < limit;
    assign micro_o[pair] = micro && !all_nan && nonzero != '0;

    for (genvar lane = 2 * pair; lane < 2 * pair + 2; lane++) begin : gen_element
      logic [ExpInW-1:0]    distance;  // two's complement
      logic [ElemWidth-1:0] code;

      assign distance = ExpInW'(exp[lane]) - ExpInW'(scale) + ExpInW'(micro);

      plena_fp_pack #(
        .Fmt(elem_fmt(Mx)), .InW(Src.man_w + 1), .ExpMin(ExpMin), .ExpMax(ExpMax),
        .ExpOffset(CodeOffset)
      ) u_pack (
        .sign_i(sign[lane]), .sig_i(sig[lane]), .exp_i(distance), .inf_i(1'b0), .nan_i(1'b0),
        .code_o(code)
      );
      assign codes_o[lane] = code & {ElemWidth{!all_nan}};
    end
  end
endmodule
