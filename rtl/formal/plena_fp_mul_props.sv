// plena_fp_mul_core against the exact product of what its codes stand for.
//
// Method:     both factors are decoded by field, the product is one integer, and plena_nearest_props
//             says whether the result is its rounding. Inf and NaN by the rules of IEEE 754 §7.2.
// Latency:    combinational.
module plena_fp_mul_props
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 4,
  parameter  int unsigned ManW     = 3,
  parameter  int          Bias     = 7,
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
  // The smallest subnormal squared is 2^(1 - Bias - ManW) smallest subnormals.
  localparam int unsigned DropW  = Bias + ManW - 1;
  localparam int unsigned ExactW = 2 * ((1 << ExpW) + ManW);

  function automatic logic [ExactW-1:0] units(logic [MagW:0] code);
    logic [ExpW-1:0]   field = code[ManW+:ExpW];
    logic [ExactW-1:0] frac  = ExactW'(code) & ExactW'((1 << ManW) - 1);
    return field == '0 ? frac : (frac + ExactW'(1 << ManW)) << (field - 1);
  endfunction

  logic a_inf, b_inf, a_nan, b_nan, sign, nearest;

  assign a_inf = HasInf && a_i[MagW-1:0] == Inf;
  assign b_inf = HasInf && b_i[MagW-1:0] == Inf;
  assign a_nan = a_i[MagW-1:0] > Largest && !a_inf;
  assign b_nan = b_i[MagW-1:0] > Largest && !b_inf;
  assign sign  = a_i[MagW] ^ b_i[MagW];

  plena_fp_mul_core #(
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials), .Rounding(Rounding),
    .Saturate(Saturate)
  ) u_dut (
    .a_i, .b_i, .y_o
  );

  plena_nearest_props #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Rounding(Rounding), .Saturate(Saturate),
    .DropW(DropW), .ExactW(ExactW)
  ) u_nearest (
    .sign_i(sign), .exact_i(units(a_i) * units(b_i)), .code_i(y_o), .other_i, .holds_o(nearest)
  );

  always_comb begin
    if (a_nan || b_nan || (a_inf && b_i[MagW-1:0] == '0) || (b_inf && a_i[MagW-1:0] == '0)) begin
      holds_o = y_o == {1'b0, Nan};
    end else if (a_inf || b_inf) begin
      holds_o = y_o == {sign, Inf};
    end else begin
      holds_o = nearest;
    end
  end
endmodule
