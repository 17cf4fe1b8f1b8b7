// The rounder for fixed-point destinations: a truncated magnitude becomes a two's complement code.
//
// Golden twin: golden.codec.encode for a FixedPoint.
// Method:     round the magnitude, limit it, apply the sign.
// Specials:   beyond the range: the nearest end, or the low bits if Wrap. Inf gives the end of its
//             sign, NaN the largest value; both also under Wrap.
// Latency:    combinational.
module plena_round_fixed
  import plena_pkg::*;
#(
  parameter int unsigned Width    = 8,
  parameter bit          Wrap     = 1'b0,
  parameter int unsigned Rounding = RoundNearestEven
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
  localparam logic [Width-1:0] Lowest = Width'(1) << (Width - 1);

  logic           up, over, to_end;
  logic [Width:0] rounded;

  plena_round_up #(
    .Rounding(Rounding)
  ) u_round_up (
    .sign_i,
    .lsb_i   (mag_i[0]),
    .guard_i,
    .sticky_i,
    .up_o    (up)
  );

  assign rounded = (Width + 1)'(mag_i) + (Width + 1)'(up);
  assign over    = over_i || rounded > (Width + 1)'(Lowest) - (Width + 1)'(!sign_i);
  assign to_end  = inf_i || nan_i || (over && !Wrap);

  always_comb begin
    code_o = sign_i ? -rounded[Width-1:0] : rounded[Width-1:0];
    if (to_end) code_o = (sign_i && !nan_i) ? Lowest : ~Lowest;
  end
endmodule
