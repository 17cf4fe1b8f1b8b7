// A block of minifloat codes to MX element codes and their shared scale.
//
// Golden twin: golden.ops.fp_to_mx, golden.mx.quantize_blocks.
// Method:     the largest magnitude by a tree over the codes, one scale for the block, and for
//             every lane the exact x * 2^-scale_exp rounded once by plena_fp_pack.
// Specials:   an all-zero block has scale 0 and elements +0. Inf or NaN in the block: with ScaleW 8
//             the NaN scale and elements 0; with a narrower scale they do not count for the scale
//             and become the largest element (NaN the positive one). Elements saturate.
// Latency:    combinational.
module plena_fp_to_mx_core
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW      = 8,
  parameter  int unsigned SrcManW      = 7,
  parameter  int          SrcBias      = 127,
  parameter  int unsigned SrcSpecials  = SpecialsIeee,
  parameter  int unsigned ElemExpW     = 0,              // 0: MXINT of 2 + ElemManW bits
  parameter  int unsigned ElemManW     = 6,
  parameter  int          ElemBias     = 0,
  parameter  int unsigned ElemSpecials = SpecialsNone,
  parameter  int unsigned BlockSize    = 32,
  parameter  int unsigned ScaleW       = 8,
  parameter  int unsigned ScaleRule    = RuleFloor,
  parameter  bit          Symmetric    = 1'b1,
  parameter  int unsigned Rounding     = RoundNearestEven,
  localparam int unsigned SrcWidth     = 1 + SrcExpW + SrcManW,
  localparam int unsigned ElemWidth    = ElemExpW == 0 ? 2 + ElemManW : 1 + ElemExpW + ElemManW
) (
  input  logic [BlockSize-1:0][SrcWidth-1:0]  x_i,
  output logic [BlockSize-1:0][ElemWidth-1:0] codes_o,
  output logic                [ScaleW-1:0]    scale_o
);
  localparam bit          IsInt      = ElemExpW == 0;
  localparam bit          HasNan     = ScaleW == 8;      // the scale
  localparam int          ScaleBias  = (1 << (ScaleW - 1)) - 1;
  localparam int          CodeMax    = (1 << ScaleW) - (HasNan ? 2 : 1);
  localparam int unsigned Rule       = ScaleRule == RuleMase && !IsInt ? RuleFloor : ScaleRule;
  localparam int          ElemEmax   = IsInt ? 0
                                     : int'(max_exp_field(ElemExpW, ElemSpecials)) - ElemBias;
  // Largest element: magnitude code, and its fraction bits.
  localparam int unsigned LargestMag = IsInt ? (1 << (ElemManW + 1)) - 1
                                             : max_code(ElemExpW, ElemManW, ElemSpecials);
  localparam int unsigned LargestFrac = LargestMag % (1 << ElemManW);

  // Scale code - exponent field of amax, before the rule adds one. `mase` and `clip` start from one
  // scale lower, so that amax may lie one binade above the largest of the element.
  localparam int          Lower      = Rule == RuleMase || Rule == RuleClip ? 1 : 0;
  localparam int          CodeOffset = ScaleBias - SrcBias - ElemEmax - Lower;
  // Leading zeros of a subnormal amax that leave a scale code above 0.
  localparam int          SubnormalLz = CodeOffset + (Rule == RuleFloor ? 0 : 1);
  // Fraction bits of amax that the rule looks at: a leading one in the reach of the scale, the
  // element's bits and one more to round half up, four to compare with 3/16, or all.
  localparam int unsigned FracW = min(SrcManW,
      Rule == RuleFloor ? max(SubnormalLz, 0)
    : Rule == RuleEven ? int'(ElemManW) + 1 + max(SubnormalLz, 0)
    : Rule == RuleClip ? 4 + max(SubnormalLz, 0) : int'(SrcManW));
  localparam int unsigned AmaxW = SrcExpW + FracW;

  // What plena_fp_pack is told about the exponent of x / 2^scale_exp, as field - scale code:
  // amax lands in the largest binade of the element (or Lower above it), unless a subnormal amax
  // meets its lowest scale code, or the scale meets its largest.
  localparam int          SrcFieldMax = int'(max_exp_field(SrcExpW, SrcSpecials));
  localparam int          ExpOffset   = ScaleBias - SrcBias;
  localparam int          CodeMin     = min(max(1 - int'(SrcManW) + CodeOffset, 0), CodeMax);
  localparam int          ExpMin      = 1 - CodeMax;
  localparam int          ExpMax      = max(max(SrcFieldMax - CodeMax, 1 - CodeMin),
                                            ElemEmax - ExpOffset + Lower);
  localparam int unsigned ExpInW      = signed_width(ExpMin, ExpMax);
  localparam int unsigned MaxLz       = min(max(ExpOffset + ElemBias - CodeMin, 0), SrcManW);

  logic [BlockSize-1:0]                sign, inf, nan, special, nonzero;
  logic [BlockSize-1:0][SrcExpW-1:0]   exp;
  logic [BlockSize-1:0][SrcManW:0]     sig;
  logic [BlockSize-1:0][AmaxW-1:0]     magnitude;
  logic [AmaxW-1:0]                    amax;
  logic [ScaleW-1:0]                   scale;
  logic                                all_nan, clear;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_unpack
    plena_fp_unpack #(
      .ExpW(SrcExpW), .ManW(SrcManW), .Specials(SrcSpecials)
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
    .ExpW(SrcExpW), .FracW(FracW), .CodeOffset(CodeOffset), .CodeMax(CodeMax), .ScaleW(ScaleW),
    .ScaleRule(Rule), .ElemFracW(ElemManW), .LargestFrac(LargestFrac)
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
      .InW(SrcManW + 1), .ExpMin(ExpMin), .ExpMax(ExpMax), .ExpOffset(ExpOffset), .MaxLz(MaxLz),
      .ExpW(ElemExpW), .ManW(ElemManW), .Bias(ElemBias), .Specials(ElemSpecials), .IntW(2),
      .Symmetric(Symmetric), .Rounding(Rounding)
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
