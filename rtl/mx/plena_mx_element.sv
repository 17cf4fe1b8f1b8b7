// An MX element code as sign, magnitude and exponent: an operand of plena_mx_product.
//
// Golden twin: golden.ops.dot.element_integers.
// Contract:   element = (-1)^sign_o * mag_o * 2^(exp_o + lsb), unless special_o. MXINT: exp_o = 0,
//             lsb = -ManW. MXFP: exp_o = 1 .. 2^ExpW - 1, lsb = -Bias - ManW.
// Specials:   special_o says Inf or NaN; the others then mean nothing.
// Latency:    combinational.
module plena_mx_element
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 0,              // 0: MXINT of 2 + ManW bits
  parameter  int unsigned ManW     = 6,
  parameter  int unsigned Specials = SpecialsNone,
  localparam int unsigned Width    = ExpW == 0 ? 2 + ManW : 1 + ExpW + ManW,
  localparam int unsigned MagW     = ExpW == 0 ? 2 + ManW : 1 + ManW,
  localparam int unsigned ExpOutW  = max(ExpW, 1)
) (
  input  logic [Width-1:0]   code_i,
  output logic               sign_o,
  output logic [MagW-1:0]    mag_o,
  output logic [ExpOutW-1:0] exp_o,
  output logic               special_o
);
  if (ExpW == 0) begin : gen_int
    assign sign_o    = code_i[Width-1];
    assign mag_o     = sign_o ? -code_i : code_i;
    assign exp_o     = '0;
    assign special_o = 1'b0;
  end else begin : gen_fp
    logic inf, nan;

    plena_fp_unpack #(
      .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
    ) u_unpack (
      .code_i, .sign_o, .exp_o, .sig_o(mag_o), .inf_o(inf), .nan_o(nan)
    );
    assign special_o = inf || nan;
  end
endmodule
