// SPDX-License-Identifier: Apache-2.0
//
// A block of minifloat codes to MX element codes and their shared scale.
//
// Golden twin: golden.ops.fp_to_mx, golden.mx.quantize_blocks.
// Method:     the largest magnitude by a tree over the codes, one scale for the block, and for
//             every lane the exact x * 2^-scale_exp rounded once by plena_fp_pack.
// Specials:   an all-zero block has scale 0 and elements +0. Inf or NaN in the block: with E8M0
//             scales the NaN scale and elements 0; with narrower ones they do not count for the
//             scale and become the largest element (NaN the positive one). Elements saturate.
// Latency:    combinational.
module plena_fp_to_mx_core
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt    = Bf16,  // minifloat
  parameter  bit [63:0]   Mx        = pack_mxint(8, 32),
  localparam fmt_t        Src       = minifloat_of(SrcFmt),
  localparam mx_t         M         = mx_of(Mx),
  localparam int unsigned BlockSize = M.block_size,
  localparam int unsigned SrcWidth  = Src.width,
  localparam int unsigned ElemWidth = M.elem.width
) (
  input  logic [BlockSize-1:0][SrcWidth-1:0]  x_i,      // block of source codes, lane 0 lowest
  output logic [BlockSize-1:0][ElemWidth-1:0] codes_o,  // elements, lane 0 lowest
  output logic                [M.scale_w-1:0] scale_o   // their scale code
);
  localparam bit          IsInt      = M.elem.exp_w == 0;
  localparam bit          HasNan     = has_scale_nan(M);
  localparam int          CodeMax    = max_scale_code(M);
  localparam int unsigned EvenW      = even_bits(M);
  // Where amax has no more bits than `even` rounds it to, this rule is `floor`.
  localparam int unsigned Rule       = scale_rule_of(M) == RuleEven && EvenW >= Src.man_w
                                     ? RuleFloor : scale_rule_of(M);
  localparam int          ElemEmax   = IsInt ? 0 : int'(max_exp_field(M.elem)) - M.elem.bias;
  localparam int unsigned LargestMag = largest_element(M);

  // Scale code - exponent field of amax, before the rule adds one. `mase` and `clip` start from one
  // scale lower, so that amax may lie one binade above the largest of the element.
  localparam int          Lower      = Rule == RuleMase || Rule == RuleClip ? 1 : 0;
  localparam int          CodeOffset = scale_bias(M) - Src.bias - ElemEmax - Lower;
  // Leading zeros of a subnormal amax that leave a scale code above 0.
  localparam int          SubnormalLz = CodeOffset + (Rule == RuleFloor ? 0 : 1);
  // Fraction bits of amax that the rule looks at: a leading one in the reach of the scale, EvenW
  // and one more to round half up, four to compare with 3/16, or all.
  localparam int unsigned FracW = min(Src.man_w,
      Rule == RuleFloor ? max(SubnormalLz, 0)
    : Rule == RuleEven ? int'(EvenW) + 1 + max(SubnormalLz, 0)
    : Rule == RuleClip ? 4 + max(SubnormalLz, 0) : int'(Src.man_w));
  localparam int unsigned AmaxW = Src.exp_w + FracW;

  // What plena_fp_pack is told about the exponent of x / 2^scale_exp, as field - scale code:
  // amax lands in the largest binade of the element (or Lower above it), unless a subnormal amax
  // meets its lowest scale code, or the scale meets its largest.
  localparam int          SrcFieldMax = int'(max_exp_field(Src));
  localparam int          ExpOffset   = scale_bias(M) - Src.bias;
  localparam int          CodeMin     = min(max(1 - int'(Src.man_w) + CodeOffset, 0), CodeMax);
  localparam int          ExpMin      = 1 - CodeMax;
  localparam int          ExpMax      = max(max(SrcFieldMax - CodeMax, 1 - CodeMin),
                                            ElemEmax - ExpOffset + Lower);
  localparam int unsigned ExpInW      = signed_width(ExpMin, ExpMax);
  localparam int unsigned MaxLz       = min(max(ExpOffset + M.elem.bias - CodeMin, 0), Src.man_w);

  logic [BlockSize-1:0]                sign, inf, nan, special, nonzero;
  logic [BlockSize-1:0][Src.exp_w-1:0] exp;
  logic [BlockSize-1:0][Src.man_w:0]   sig;
  logic [BlockSize-1:0][AmaxW-1:0]     magnitude;
  logic [AmaxW-1:0]                    amax;
  logic [M.scale_w-1:0]                scale;
  logic                                all_nan, clear;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_unpack
    plena_fp_unpack #(
      .Fmt(SrcFmt)
    ) u_unpack (
      .code_i(x_i[lane]), .sign_o(sign[lane]), .exp_o(exp[lane]), .sig_o(sig[lane]),
      .inf_o(inf[lane]), .nan_o(nan[lane])
    );
    assign special[lane]   = inf[lane] || nan[lane];
    assign nonzero[lane]   = x_i[lane][SrcWidth-2:0] != '0;
    // With a NaN scale a special element decides everything and amax does not matter.
    assign magnitude[lane] = x_i[lane][SrcWidth-2-:AmaxW] & {AmaxW{HasNan || !special[lane]}};
  end

  plena_max_tree #(
    .Lanes(BlockSize), .Width(AmaxW)
  ) u_amax (
    .data_i(magnitude), .max_o(amax)
  );

  plena_mx_scale #(
    .SrcFmt(SrcFmt), .Mx(Mx), .FracW(FracW), .CodeOffset(CodeOffset)
  ) u_scale (
    .amax_i(amax), .scale_o(scale)
  );

  // Elements are 0 under a NaN scale, and +0 in an all-zero block; two's complement has no -0.
  assign all_nan = HasNan && special != '0;
  assign clear   = all_nan || (!IsInt && (nonzero & ~special) == '0);
  assign scale_o = all_nan ? '1 : scale;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_element
    logic [ExpInW-1:0]    distance;  // two's complement
    logic [ElemWidth-1:0] code;

    assign distance = ExpInW'(exp[lane]) - ExpInW'(scale);

    plena_fp_pack #(
      .Fmt(elem_fmt(Mx)), .InW(Src.man_w + 1), .ExpMin(ExpMin), .ExpMax(ExpMax),
      .ExpOffset(ExpOffset), .MaxLz(MaxLz), .Rounding(M.rounding)
    ) u_pack (
      .sign_i(sign[lane]), .sig_i(sig[lane]), .exp_i(distance), .inf_i(1'b0), .nan_i(1'b0),
      .code_o(code)
    );

    if (HasNan) begin : gen_cleared
      assign codes_o[lane] = code & {ElemWidth{!clear}};
    end else begin : gen_largest
      logic                 negative;
      logic [ElemWidth-1:0] largest;
      assign negative      = sign[lane] && !nan[lane];
      assign largest       = IsInt && negative ? -ElemWidth'(LargestMag)
                           : {negative, (ElemWidth - 1)'(LargestMag)};
      assign codes_o[lane] = special[lane] ? largest : code & {ElemWidth{!clear}};
    end
  end
endmodule
