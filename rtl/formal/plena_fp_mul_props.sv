// SPDX-License-Identifier: Apache-2.0
//
// plena_fp_mul_core against the exact product of what its codes stand for.
//
// Method:     both factors are decoded by field, the product is one integer, and plena_nearest_props
//             says whether the result is its rounding. Inf and NaN by the rules of IEEE 754 §7.2.
// Latency:    combinational.
module plena_fp_mul_props
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = E4m3,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned MagW     = F.exp_w + F.man_w
) (
  input  logic [MagW:0]   a_i,      // factor
  input  logic [MagW:0]   b_i,      // factor
  input  logic [MagW-1:0] other_i,  // any other code, left free in proofs
  output logic [MagW:0]   y_o,      // product of the block
  output logic            holds_o   // what is to be proven
);
  localparam logic [MagW-1:0] Largest = MagW'(max_code(F));
  localparam logic [MagW:0]   Nan     = (MagW + 1)'(nan_code(F));
  localparam logic [MagW-1:0] Inf     = MagW'(((1 << F.exp_w) - 1) << F.man_w);
  localparam bit              HasInf  = F.specials == SpecialsIeee;
  localparam bit              IsFnuz  = F.specials == SpecialsFnuz;
  // The smallest subnormal squared is 2^(1 - bias - man_w) smallest subnormals.
  localparam int unsigned DropW  = F.bias + F.man_w - 1;
  localparam int unsigned ExactW = 2 * ((1 << F.exp_w) + F.man_w);

  function automatic logic [ExactW-1:0] units(logic [MagW:0] code);
    logic [F.exp_w-1:0] field = code[F.man_w+:F.exp_w];
    logic [ExactW-1:0]  frac  = ExactW'(code) & ExactW'((1 << F.man_w) - 1);
    return field == '0 ? frac : (frac + ExactW'(1 << F.man_w)) << (field - 1);
  endfunction

  logic a_inf, b_inf, a_nan, b_nan, sign, nearest;

  assign a_inf = HasInf && a_i[MagW-1:0] == Inf;
  assign b_inf = HasInf && b_i[MagW-1:0] == Inf;
  assign a_nan = IsFnuz ? a_i == Nan : a_i[MagW-1:0] > Largest && !a_inf;
  assign b_nan = IsFnuz ? b_i == Nan : b_i[MagW-1:0] > Largest && !b_inf;
  assign sign  = a_i[MagW] ^ b_i[MagW];

  plena_fp_mul_core #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_dut (
    .a_i, .b_i, .y_o
  );

  plena_nearest_props #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .DropW(DropW), .ExactW(ExactW)
  ) u_nearest (
    .sign_i(sign), .exact_i(units(a_i) * units(b_i)), .code_i(y_o), .other_i, .holds_o(nearest)
  );

  always_comb begin
    if (a_nan || b_nan || (a_inf && b_i[MagW-1:0] == '0) || (b_inf && a_i[MagW-1:0] == '0)) begin
      holds_o = y_o == Nan;
    end else if (a_inf || b_inf) begin
      holds_o = y_o == {sign, Inf};
    end else begin
      holds_o = nearest;
    end
  end
endmodule
