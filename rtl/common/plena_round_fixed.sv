// The rounder for fixed-point destinations: a truncated magnitude becomes a two's complement code.
//
// Golden twin: golden.codec.encode for a FixedPoint.
// Method:     the magnitude is rounded and given its sign by one addition: -(m + up) = ~m + !up.
// Specials:   beyond the range: the nearest end, or the low bits if Wrap. Inf gives the end of its
//             sign, NaN the largest value; both also under Wrap. Symmetric: the lowest code is not
//             used, so that the two ends are opposites.
// Latency:    combinational.
module plena_round_fixed
  import plena_pkg::*;
#(
  parameter int unsigned Width     = 8,
  parameter bit          Wrap      = 1'b0,
  parameter bit          Symmetric = 1'b0,
  parameter int unsigned Rounding  = RoundNearestEven
) (
  input  logic             sign_i,
  input  logic [Width-1:0] mag_i,
  input  logic             guard_i,
  input  logic             sticky_i,
  input  logic             over_i,    // the magnitude has ones above mag_i
  input  logic             inf_i,
  input  logic             nan_i,
  output logic [Width-1:0] code_o
);
  localparam logic [Width-1:0] Half    = Width'(1) << (Width - 1);
  localparam logic [Width-1:0] Highest = ~Half;
  localparam logic [Width-1:0] Lowest  = Symmetric ? Half + Width'(1) : Half;

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
  assign has_lowest   = sign_i && !Symmetric;
  assign over         = over_i || (mag_i[Width-1] && !(has_lowest && mag_i == Half && !up))
                     || (mag_i == Highest && up && !has_lowest);
  assign negative_end = sign_i && !nan_i;

  assign code_o = (inf_i || nan_i || (over && !Wrap)) ? (negative_end ? Lowest : Highest) : rounded;
endmodule
