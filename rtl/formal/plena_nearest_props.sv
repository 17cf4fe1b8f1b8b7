// SPDX-License-Identifier: Apache-2.0
//
// What "rounded once" means, as a relation: no other code is a better answer than this one.
//
// Contract:   exact_i is a magnitude in units of 2^-DropW of the format's smallest subnormal.
//             holds_o is 1 for every other_i exactly when code_i is RN(+-exact_i). Used in proofs
//             only; other_i is left free there.
// Method:     magnitudes are decoded and compared as integers, one beyond the largest standing for
//             every larger number. Nothing is packed, carried or incremented.
// Specials:   overflow as plena_round says; NaN and Inf operands are the caller's.
// Latency:    combinational.
module plena_nearest_props
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = E4m3,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  parameter  int unsigned DropW    = 2,
  parameter  int unsigned ExactW   = 32,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned MagW     = F.exp_w + F.man_w
) (
  input  logic              sign_i,   // sign of the exact number
  input  logic [ExactW-1:0] exact_i,  // its magnitude, see Contract
  input  logic [MagW:0]     code_i,   // code of the block
  input  logic [MagW-1:0]   other_i,  // any other code, left free in proofs
  output logic              holds_o   // what is to be proven
);
  // Wide enough for the code beyond the largest too: its field is at most 2^exp_w.
  localparam int unsigned GridW = max((1 << F.exp_w) + F.man_w + DropW + 1, ExactW + 1);

  localparam bit            IsFnuz  = F.specials == SpecialsFnuz;
  localparam logic [MagW:0] Largest = (MagW + 1)'(max_code(F));
  localparam logic [MagW:0] Beyond  = Largest + 1;
  // What a number beyond the largest becomes where it does not stay finite.
  localparam logic [MagW:0] Over =
      F.specials == SpecialsIeee   ? (MagW + 1)'(((1 << F.exp_w) - 1) << F.man_w)
    : F.specials == SpecialsOcpNan ? (MagW + 1)'((1 << MagW) - 1)
    : IsFnuz                       ? (MagW + 1)'(1 << MagW) : Largest;

  // A magnitude in units of 2^-DropW of the smallest subnormal.
  function automatic logic [GridW-1:0] grid(logic [MagW:0] mag);
    logic [F.exp_w:0] field = (F.exp_w + 1)'(mag >> F.man_w);
    logic [GridW-1:0] frac  = GridW'(mag) & GridW'((1 << F.man_w) - 1);
    if (field == '0) return frac << DropW;
    return (frac + GridW'(1 << F.man_w)) << (32'(field) - 1 + DropW);
  endfunction

  // Whether a is a better answer than b.
  function automatic logic better(logic [MagW:0] a, logic [MagW:0] b);
    logic [GridW-1:0] exact = GridW'(exact_i);
    logic [GridW-1:0] at_a = grid(a), at_b = grid(b);
    logic [GridW-1:0] far_a = at_a > exact ? at_a - exact : exact - at_a;
    logic [GridW-1:0] far_b = at_b > exact ? at_b - exact : exact - at_b;
    logic             away = (Rounding == RoundUp && !sign_i) || (Rounding == RoundDown && sign_i);
    if (Rounding == RoundNearestEven) return far_a < far_b || (far_a == far_b && !a[0] && b[0]);
    if (Rounding == RoundNearestAway) return far_a < far_b || (far_a == far_b && at_a > at_b);
    // Directed: only one side counts, unless the exact value is above everything there is.
    if (away) return at_a >= exact ? at_b < exact || at_a < at_b : at_b < exact && at_a > at_b;
    return at_a <= exact && (at_b > exact || at_a > at_b);
  endfunction

  logic [MagW:0] mag, other;
  logic          stays_finite, overflowed;

  assign mag          = {1'b0, code_i[MagW-1:0]};
  assign other        = {1'b0, other_i};
  assign stays_finite = Saturate || F.specials == SpecialsNone || Rounding == RoundTowardZero
                     || (Rounding == RoundUp && sign_i) || (Rounding == RoundDown && !sign_i);
  assign overflowed   = IsFnuz ? code_i == Over : mag > Largest;

  always_comb begin
    if (overflowed) begin
      holds_o = !stays_finite && (other > Largest || !better(other, Beyond));
      // A NaN has no sign.
      holds_o = holds_o && code_i == (F.specials == SpecialsIeee ? {sign_i, Over[MagW-1:0]} : Over);
    end else begin
      holds_o = code_i[MagW] == (sign_i && !(IsFnuz && mag == '0))
             && (other > Largest || !better(other, mag))
             && ((mag == Largest && stays_finite) || !better(Beyond, mag));
    end
  end
endmodule
