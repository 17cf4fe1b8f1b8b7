// SPDX-License-Identifier: Apache-2.0
//
// The shared scale of a block from its largest magnitude, by one of the scale rules.
//
// Golden twin: golden.mx.scale_exponent.
// Contract:   amax_i is exponent field and the top FracW fraction bits of the largest finite
//             magnitude; FracW must be what plena_fp_to_mx_core derives for the rule.
// Method:     floor(log2) is the exponent field, less the leading zeros of a subnormal; the rule
//             adds one or not, looking at the fraction (`clip`: from 3/16 on, to a CodeOffset
//             that is one less than that of `floor`); the code is clamped to its range.
// Specials:   0 gives code 0. The NaN code of E8M0 is the caller's business.
// Latency:    combinational.
module plena_mx_scale
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt     = Bf16,  // of the magnitudes
  parameter  bit [63:0]   Mx         = pack_mxint(8, 32),
  parameter  int unsigned FracW      = 7,
  parameter  int          CodeOffset = 0,     // scale code - exponent field, before the rule
  localparam fmt_t        Src        = minifloat_of(SrcFmt),
  localparam mx_t         M          = mx_of(Mx)
) (
  input  logic [Src.exp_w+FracW-1:0] amax_i,  // largest magnitude, see Contract
  output logic [M.scale_w-1:0]       scale_o  // scale code
);
  localparam int unsigned CodeMax = max_scale_code(M);
  localparam int unsigned Rule    = scale_rule_of(M);
  localparam int unsigned EvenW   = even_bits(M);

  // The code before clamping, with up to FracW leading zeros and up to one more by the rule.
  localparam int CodeLow  = 1 - int'(FracW) + min(CodeOffset, 0);
  localparam int CodeHigh = (1 << Src.exp_w) + max(CodeOffset, 0);
  localparam int unsigned CodeW = max(signed_width(CodeLow, CodeHigh),
                                      signed_width(0, int'(CodeMax)));

  logic [Src.exp_w-1:0] field;
  logic [CodeW-1:0]     zeros;  // leading zeros of a subnormal
  logic [FracW:0]       sig;    // with the leading one on top
  logic                 bump;
  logic [CodeW-1:0]     code;   // two's complement

  assign field = amax_i[FracW+:Src.exp_w];

  if (FracW == 0) begin : gen_no_frac
    assign zeros = '0;
    assign sig   = field != '0;
    assign bump  = 1'b0;
  end else begin : gen_frac
    localparam int unsigned IndexW = $clog2(FracW + 1);
    // The largest element's fraction, in as many bits as that of amax.
    localparam int unsigned LargestFrac = largest_element(M) % (1 << M.elem.man_w);
    localparam int unsigned Limit = FracW >= M.elem.man_w ? LargestFrac << (FracW - M.elem.man_w)
                                                          : LargestFrac >> (M.elem.man_w - FracW);
    // 3/16 as a fraction of FracW bits; where they are fewer than 4, the first that is not below.
    localparam int unsigned ClipFrom = FracW >= 4 ? 3 << (FracW - 4)
                                                  : (3 + (1 << (4 - FracW)) - 1) >> (4 - FracW);
    logic [IndexW-1:0] index;
    logic [FracW:0]    raw;

    assign raw = {field != '0, amax_i[FracW-1:0]};

    plena_lead_one #(
      .Width(FracW + 1)
    ) u_lead_one (
      .data_i(raw), .index_o(index)
    );
    assign zeros = CodeW'(FracW) - CodeW'(index);
    assign sig   = raw << zeros;

    if (Rule == RuleCeil || Rule == RuleMase) begin : gen_ceil
      assign bump = sig[FracW-1:0] != '0;
    end else if (Rule == RuleRceil && Limit < (1 << FracW) - 1) begin : gen_rceil
      assign bump = sig[FracW-1:0] > FracW'(Limit);
    end else if (Rule == RuleEven && EvenW < FracW) begin : gen_even
      // Half a unit of EvenW fraction bits below the next power of two, or more.
      assign bump = &sig[FracW-1-:EvenW+1];
    end else if (Rule == RuleClip) begin : gen_clip
      assign bump = sig[FracW-1:0] >= FracW'(ClipFrom);
    end else begin : gen_floor
      assign bump = 1'b0;
    end
  end

  assign code = CodeW'(field | Src.exp_w'(field == '0)) - zeros + CodeW'(bump) + CodeW'(CodeOffset);

  always_comb begin
    if (code[CodeW-1] || !sig[FracW])  scale_o = '0;
    else if (code > CodeW'(CodeMax))   scale_o = M.scale_w'(CodeMax);
    else                               scale_o = M.scale_w'(code);
  end
endmodule
