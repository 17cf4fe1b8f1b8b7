// The shared scale of a block from its largest magnitude, by one of the scale rules.
//
// Golden twin: golden.mx.scale_exponent.
// Contract:   amax_i is exponent field and the top FracW fraction bits of the largest finite
//             magnitude; FracW must be what plena_fp_to_mx_core derives for the rule.
// Method:     floor(log2) is the exponent field, less the leading zeros of a subnormal; the rule
//             adds one or not, looking at the fraction (`clip`: from 3/16 on, to a CodeOffset
//             that is one less than that of `floor`); the code is clamped to its range.
// Specials:   0 gives code 0. The NaN code of ScaleW = 8 is the caller's business.
// Latency:    combinational.
module plena_mx_scale
  import plena_pkg::*;
#(
  parameter int unsigned ExpW        = 8,          // of amax
  parameter int unsigned FracW       = 7,
  parameter int          CodeOffset  = 0,          // scale code - exponent field, before rule
  parameter int unsigned CodeMax     = 254,
  parameter int unsigned ScaleW      = 8,
  parameter int unsigned ScaleRule   = RuleFloor,  // mase only for MXINT
  parameter int unsigned ElemFracW   = 6,          // element fraction bits
  parameter int unsigned LargestFrac = 63          // those of the largest element
) (
  input  logic [ExpW+FracW-1:0] amax_i,
  output logic [ScaleW-1:0]     scale_o
);
  // The code before clamping, with up to FracW leading zeros and up to one more by the rule.
  localparam int CodeLow  = 1 - int'(FracW) + min(CodeOffset, 0);
  localparam int CodeHigh = (1 << ExpW) + max(CodeOffset, 0);
  localparam int unsigned CodeW = max(signed_width(CodeLow, CodeHigh),
                                      signed_width(0, int'(CodeMax)));

  logic [ExpW-1:0]  field;
  logic [CodeW-1:0] zeros;  // leading zeros of a subnormal
  logic [FracW:0]   sig;    // with the leading one on top
  logic             bump;
  logic [CodeW-1:0] code;   // two's complement

  assign field = amax_i[FracW+:ExpW];

  if (FracW == 0) begin : gen_no_frac
    assign zeros = '0;
    assign sig   = field != '0;
    assign bump  = 1'b0;
  end else begin : gen_frac
    localparam int unsigned IndexW = $clog2(FracW + 1);
    // The largest element's fraction, in as many bits as that of amax.
    localparam int unsigned Limit  = FracW >= ElemFracW ? LargestFrac << (FracW - ElemFracW)
                                                        : LargestFrac >> (ElemFracW - FracW);
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

    if (ScaleRule == RuleCeil || ScaleRule == RuleMase) begin : gen_ceil
      assign bump = sig[FracW-1:0] != '0;
    end else if (ScaleRule == RuleRceil && Limit < (1 << FracW) - 1) begin : gen_rceil
      assign bump = sig[FracW-1:0] > FracW'(Limit);
    end else if (ScaleRule == RuleEven && ElemFracW < FracW) begin : gen_even
      // Half a unit of the element below the next power of two, or more.
      assign bump = &sig[FracW-1-:ElemFracW+1];
    end else if (ScaleRule == RuleClip) begin : gen_clip
      assign bump = sig[FracW-1:0] >= FracW'(ClipFrom);
    end else begin : gen_floor
      assign bump = 1'b0;
    end
  end

  assign code = CodeW'(field | ExpW'(field == '0)) - zeros + CodeW'(bump) + CodeW'(CodeOffset);

  always_comb begin
    if (code[CodeW-1] || !sig[FracW])  scale_o = '0;
    else if (code > CodeW'(CodeMax))   scale_o = ScaleW'(CodeMax);
    else                               scale_o = ScaleW'(code);
  end
endmodule
