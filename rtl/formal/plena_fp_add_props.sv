// SPDX-License-Identifier: Apache-2.0
//
// plena_fp_add_core against the exact sum of what its codes stand for.
//
// Method:     both operands are decoded by field to integers, added with their signs, and
//             plena_nearest_props says whether the result is the rounding of that sum.
// Specials:   Inf and NaN by the rules of IEEE 754 §7.2, the sign of an exact zero by §6.3.
// Latency:    combinational.
module plena_fp_add_props
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = E4m3,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned MagW     = F.exp_w + F.man_w
) (
  input  logic [MagW:0]   a_i,      // summand
  input  logic [MagW:0]   b_i,      // summand
  input  logic [MagW-1:0] other_i,  // any other code, left free in proofs
  output logic [MagW:0]   y_o,      // sum of the block
  output logic            holds_o   // what is to be proven
);
  localparam logic [MagW-1:0] Largest = MagW'(max_code(F));
  localparam logic [MagW:0]   Nan     = (MagW + 1)'(nan_code(F));
  localparam logic [MagW-1:0] Inf     = MagW'(((1 << F.exp_w) - 1) << F.man_w);
  localparam bit              HasInf  = F.specials == SpecialsIeee;
  localparam bit              IsFnuz  = F.specials == SpecialsFnuz;
  localparam int unsigned     ExactW  = (1 << F.exp_w) + F.man_w + 1;

  function automatic logic [ExactW-1:0] units(logic [MagW:0] code);
    logic [F.exp_w-1:0] field = code[F.man_w+:F.exp_w];
    logic [ExactW-1:0]  frac  = ExactW'(code) & ExactW'((1 << F.man_w) - 1);
    return field == '0 ? frac : (frac + ExactW'(1 << F.man_w)) << (field - 1);
  endfunction

  logic              a_sign, b_sign, a_inf, b_inf, a_nan, b_nan, sign, nearest;
  logic [ExactW-1:0] a, b, exact;

  assign a      = units(a_i);
  assign b      = units(b_i);
  assign a_sign = a_i[MagW];
  assign b_sign = b_i[MagW];
  assign a_inf  = HasInf && a_i[MagW-1:0] == Inf;
  assign b_inf  = HasInf && b_i[MagW-1:0] == Inf;
  assign a_nan  = IsFnuz ? a_i == Nan : a_i[MagW-1:0] > Largest && !a_inf;
  assign b_nan  = IsFnuz ? b_i == Nan : b_i[MagW-1:0] > Largest && !b_inf;

  always_comb begin
    if (a_sign == b_sign) begin
      exact = a + b;
      sign  = a_sign;
    end else if (a == b) begin
      exact = '0;
      sign  = Rounding == RoundDown;
    end else begin
      exact = a > b ? a - b : b - a;
      sign  = a > b ? a_sign : b_sign;
    end
  end

  plena_fp_add_core #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_dut (
    .a_i, .b_i, .y_o
  );

  plena_nearest_props #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .DropW(0), .ExactW(ExactW)
  ) u_nearest (
    .sign_i(sign), .exact_i(exact), .code_i(y_o), .other_i, .holds_o(nearest)
  );

  always_comb begin
    if (a_nan || b_nan || (a_inf && b_inf && a_sign != b_sign)) begin
      holds_o = y_o == Nan;
    end else if (a_inf || b_inf) begin
      holds_o = y_o == {a_inf ? a_sign : b_sign, Inf};
    end else begin
      holds_o = nearest;
    end
  end
endmodule
