// SPDX-License-Identifier: Apache-2.0
//
// Align a number to a minifloat's grid: its significand becomes hidden bit and fraction, with
// gradual underflow, and what is cut off becomes guard and sticky.
//
// Contract:   in: sig_i with its top bit in the binade of exponent field exp_i + 1. out: what
//             plena_round takes; exp_o + 1 is the exponent field if there is a hidden bit.
// Method:     shift left by the leading zeros, but not past the smallest binade (exp_i places);
//             a negative exp_i shifts right. One right shifter serves both. The leading one is
//             searched twice, for the exponent and for the shift, so that whichever of sig_i and
//             exp_i comes late goes through one search and nothing before it.
// Specials:   zero gives sig_o = 0; without a hidden bit exp_o means nothing.
// Latency:    combinational.
module plena_normalize
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = E4m3,
  parameter  int unsigned InW     = 8,
  parameter  int          ExpMin  = 0,   // smallest exp_i
  parameter  int          ExpMax  = 15,  // largest exp_i
  // Leading zeros of a number that is normal in the destination never exceed MaxLz.
  parameter  int unsigned MaxLz   = InW - 1,
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam int unsigned ExpInW  = signed_width(ExpMin, ExpMax),
  localparam int unsigned ExpOutW = ExpInW - 1
) (
  input  logic [InW-1:0]     sig_i,    // significand
  input  logic [ExpInW-1:0]  exp_i,    // exponent field - 1 of its top bit, two's complement
  output logic [ExpOutW-1:0] exp_o,    // exponent field - 1
  output logic [F.man_w:0]   sig_o,    // hidden bit, fraction
  output logic               guard_o,  // first bit cut off
  output logic               sticky_o  // OR of the bits after it
);
  localparam int unsigned OutW = F.man_w + 2;  // hidden bit, fraction, guard

  logic negative;
  assign negative = exp_i[ExpInW-1];

  if (MaxLz == 0) begin : gen_right
    // Only the right shift into the subnormals remains: by -exp_i, at most OutW.
    localparam int unsigned MaxShift = min(max(-ExpMin, 1), OutW);
    localparam int unsigned ShiftW   = $clog2(MaxShift + 1);
    localparam int unsigned DataW    = max(InW, OutW);

    logic [ExpInW-1:0] right;
    logic [ShiftW-1:0] shift;
    logic              unused_over;

    assign right = -exp_i;
    assign shift = {ShiftW{negative}}
                 & (ShiftW'(right) | {ShiftW{({ShiftW'(0), right} >> ShiftW) != '0}});
    plena_shift_sticky #(
      .InW   (DataW),
      .OutW  (OutW),
      .ShiftW(ShiftW),
      .Drop  (DataW - OutW)
    ) u_shift (
      .data_i  (DataW'(sig_i) << (DataW - InW)),
      .shift_i (shift),
      .data_o  ({sig_o, guard_o}),
      .sticky_o(sticky_o),
      .over_o  (unused_over)
    );

    assign exp_o = exp_i[ExpOutW-1:0];
  end else begin : gen_both
    // Shift left by `left` = shift right by 2^PlaceW - 1 - left, which is ~left: no subtraction.
    // A negative `left` sets the bit above; from -2^PlaceW on, which is at least OutW, nothing
    // but the sticky bit is left.
    localparam bit          HasRight = ExpMin < 0;
    localparam int unsigned PlaceW   = $clog2(HasRight ? max(MaxLz + 1, OutW) : MaxLz + 1);
    localparam int unsigned Places   = 1 << PlaceW;
    localparam int unsigned ShiftW   = PlaceW + (HasRight ? 1 : 0);
    localparam int unsigned TopW     = Places + OutW - 1;  // shifted left as far as it goes
    localparam int unsigned DataW    = max(InW, TopW);

    logic [Places-1:0] top, limit;
    logic [PlaceW-1:0] index, limited, left;
    logic [ShiftW-1:0] shift;
    logic              unused_over;

    assign top = Places'(sig_i[InW-1-:MaxLz+1]) << (Places - MaxLz - 1);
    // A one that the search finds at exp_i places at the latest.
    for (genvar place = 0; place < Places; place++) begin : gen_limit
      assign limit[Places-1-place] = exp_i == ExpInW'(place);
    end

    plena_lead_one #(
      .Width(Places)
    ) u_lead_one (
      .data_i(top), .index_o(index)
    );
    plena_lead_one #(
      .Width(Places)
    ) u_limited (
      .data_i(top | limit), .index_o(limited)
    );

    // The low bits of exp_i, sign-extended: it may be narrower than a place (a large bias and few
    // exponents).
    assign left  = negative ? PlaceW'({{PlaceW{negative}}, exp_i}) : ~limited;
    assign exp_o = exp_i[ExpOutW-1:0] - ExpOutW'(PlaceW'(~index));

    if (HasRight) begin : gen_has_right
      logic far;
      assign far   = negative && ({PlaceW'(0), ~exp_i} >> PlaceW) != '0;  // below -2^PlaceW
      assign shift = {negative, ~left} | {ShiftW{far}};
    end else begin : gen_left_only
      assign shift = ~left;
    end

    plena_shift_sticky #(
      .InW   (DataW),
      .OutW  (OutW),
      .ShiftW(ShiftW),
      .Drop  (DataW - TopW)
    ) u_shift (
      .data_i  (DataW'(sig_i) << (DataW - InW)),
      .shift_i (shift),
      .data_o  ({sig_o, guard_o}),
      .sticky_o(sticky_o),
      .over_o  (unused_over)
    );
  end
endmodule
