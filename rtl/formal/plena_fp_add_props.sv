// plena_fp_add_core against the exact sum of what its codes stand for.
//
// Method:     both operands are decoded by field to integers, added with their signs, and
//             plena_nearest_props says whether the result is the rounding of that sum.
// Specials:   Inf and NaN by the rules of IEEE 754 §7.2, the sign of an exact zero by §6.3.
// Latency:    combinational.
module plena_fp_add_props
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 4,
  parameter  int unsigned ManW     = 3,
  parameter  int unsigned Specials = SpecialsOcpNan,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam int unsigned MagW     = ExpW + ManW
) (
  input  logic [MagW:0]   a_i,
  input  logic [MagW:0]   b_i,
  input  logic [MagW-1:0] other_i,
  output logic [MagW:0]   y_o,
  output logic            holds_o
);
  localparam logic [MagW-1:0] Largest = MagW'(max_code(ExpW, ManW, Specials));
  localparam logic [MagW-1:0] Nan     = MagW'(nan_code(ExpW, ManW, Specials));
  localparam logic [MagW-1:0] Inf     = MagW'(((1 << ExpW) - 1) << ManW);
  localparam bit              HasInf  = Specials == SpecialsIeee;
  localparam int unsigned     ExactW  = (1 << ExpW) + ManW + 1;

  function automatic logic [ExactW-1:0] units(logic [MagW:0] code);
    logic [ExpW-1:0]   field = code[ManW+:ExpW];
    logic [ExactW-1:0] frac  = ExactW'(code) & ExactW'((1 << ManW) - 1);
    return field == '0 ? frac : (frac + ExactW'(1 << ManW)) << (field - 1);
  endfunction

  logic              a_sign, b_sign, a_inf, b_inf, a_nan, b_nan, sign, nearest;
  logic [ExactW-1:0] a, b, exact;

  assign a      = units(a_i);
  assign b      = units(b_i);
  assign a_sign = a_i[MagW];
  assign b_sign = b_i[MagW];
  assign a_inf  = HasInf && a_i[MagW-1:0] == Inf;
  assign b_inf  = HasInf && b_i[MagW-1:0] == Inf;
  assign a_nan  = a_i[MagW-1:0] > Largest && !a_inf;
  assign b_nan  = b_i[MagW-1:0] > Largest && !b_inf;

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
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Rounding(Rounding), .Saturate(Saturate)
  ) u_dut (
    .a_i, .b_i, .y_o
  );

  plena_nearest_props #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Rounding(Rounding), .Saturate(Saturate),
    .DropW(0), .ExactW(ExactW)
  ) u_nearest (
    .sign_i(sign), .exact_i(exact), .code_i(y_o), .other_i, .holds_o(nearest)
  );

  always_comb begin
    if (a_nan || b_nan || (a_inf && b_inf && a_sign != b_sign)) begin
      holds_o = y_o == {1'b0, Nan};
    end else if (a_inf || b_inf) begin
      holds_o = y_o == {a_inf ? a_sign : b_sign, Inf};
    end else begin
      holds_o = nearest;
    end
  end
endmodule
