// A minifloat code in its parts.
//
// Golden twin: golden.codec.decode.
// Contract:   value = (-1)^sign_o * sig_o * 2^(exp_o - Bias - ManW) unless inf_o or nan_o.
// Method:     exp_o is the exponent field, 1 for subnormals, which have no hidden bit.
// Specials:   sig_o and exp_o mean nothing for Inf and NaN.
// Latency:    combinational.
module plena_fp_unpack
  import plena_pkg::*;
#(
  parameter int unsigned ExpW     = 4,
  parameter int unsigned ManW     = 3,
  parameter int unsigned Specials = SpecialsOcpNan
) (
  input  logic [ExpW+ManW:0] code_i,
  output logic               sign_o,
  output logic [ExpW-1:0]    exp_o,
  output logic [ManW:0]      sig_o,
  output logic               inf_o,
  output logic               nan_o
);
  localparam logic [ManW:0] FracMask = (ManW + 1)'((1 << ManW) - 1);

  logic [ExpW-1:0] field;
  logic [ManW:0]   frac;
  logic            normal;

  assign field  = code_i[ManW+:ExpW];
  assign frac   = code_i[ManW:0] & FracMask;
  assign normal = field != '0;

  assign sign_o = code_i[ExpW+ManW];
  assign exp_o  = field | ExpW'(!normal);
  assign sig_o  = frac | ((ManW + 1)'(normal) << ManW);

  if (Specials == SpecialsIeee) begin : gen_ieee
    assign inf_o = (&field) && frac == '0;
    assign nan_o = (&field) && frac != '0;
  end else if (Specials == SpecialsOcpNan) begin : gen_ocp_nan
    assign inf_o = 1'b0;
    assign nan_o = &code_i[ExpW+ManW-1:0];
  end else begin : gen_none
    assign inf_o = 1'b0;
    assign nan_o = 1'b0;
  end
endmodule
