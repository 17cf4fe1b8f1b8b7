// SPDX-License-Identifier: Apache-2.0
//
// The rounder for fixed-point destinations: a truncated magnitude becomes a two's complement code.
//
// Golden twin: golden.codec.encode for a FixedPoint.
// Method:     the magnitude is rounded and given its sign by one addition: -(m + up) = ~m + !up.
// Specials:   beyond the range: the nearest end, or the low bits if wrap. Inf gives the end of its
//             sign, NaN the largest value; both also under wrap. symmetric: the lowest code is not
//             used, so that the two ends are opposites.
// Latency:    combinational.
module plena_round_fixed
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = pack_fixed(2, 6, 1'b0, 1'b0),  // fixed point
  parameter  int unsigned Rounding = RoundNearestEven,
  localparam fmt_t        F        = fmt_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic             sign_i,    // sign
  input  logic [Width-1:0] mag_i,     // magnitude, truncated
  input  logic             guard_i,   // first bit cut off
  input  logic             sticky_i,  // OR of the bits after it
  input  logic             over_i,    // the magnitude has ones above mag_i
  input  logic             inf_i,     // it is an exact Inf
  input  logic             nan_i,     // it is NaN
  output logic [Width-1:0] code_o     // rounded code
);
  localparam logic [Width-1:0] Half    = Width'(1) << (Width - 1);
  localparam logic [Width-1:0] Highest = ~Half;
  localparam logic [Width-1:0] Lowest  = F.symmetric ? Half + Width'(1) : Half;

  logic             up, over, has_lowest, negative_end;
  logic [Width-1:0] rounded;

  plena_round_up #(
    .Rounding(Rounding)
  ) u_round_up (
    .sign_i,
    .lsb_i   (mag_i[0]),
    .guard_i,
    .sticky_i,
    .up_o    (up)
  );

  assign rounded = (mag_i ^ {Width{sign_i}}) + Width'(sign_i ^ up);

  // Beyond the highest: by itself, or by rounding up. -Half is one more than the highest.
  assign has_lowest   = sign_i && !F.symmetric;
  assign over         = over_i || (mag_i[Width-1] && !(has_lowest && mag_i == Half && !up))
                     || (mag_i == Highest && up && !has_lowest);
  assign negative_end = sign_i && !nan_i;

  assign code_o = inf_i || nan_i || (over && !F.wrap) ? (negative_end ? Lowest : Highest)
                                                     : rounded;
endmodule
