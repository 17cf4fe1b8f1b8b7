// SPDX-License-Identifier: Apache-2.0
//
// A minifloat code in its parts.
//
// Golden twin: golden.codec.decode.
// Contract:   value = (-1)^sign_o * sig_o * 2^(exp_o - bias - man_w) unless inf_o or nan_o.
// Method:     exp_o is the exponent field, 1 for subnormals, which have no hidden bit.
// Specials:   sig_o and exp_o mean nothing for Inf and NaN. Where the code of -0 is NaN, Flipped
//             says that it is zero, and the code 0 NaN.
// Latency:    combinational.
module plena_fp_unpack
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = E4m3,
  parameter  bit          Flipped = 1'b0,  // the sign bit of code_i was flipped, see Specials
  localparam fmt_t        F       = minifloat_of(Fmt)
) (
  input  logic [F.width-1:0] code_i,  // code
  output logic               sign_o,  // sign
  output logic [F.exp_w-1:0] exp_o,   // exponent field, 1 for a subnormal
  output logic [F.man_w:0]   sig_o,   // hidden bit, fraction
  output logic               inf_o,   // it is Inf
  output logic               nan_o    // it is NaN
);
  localparam logic [F.man_w:0] FracMask = (F.man_w + 1)'((1 << F.man_w) - 1);

  logic [F.exp_w-1:0] field;
  logic [F.man_w:0]   frac;
  logic               normal;

  assign field  = code_i[F.man_w+:F.exp_w];
  assign frac   = code_i[F.man_w:0] & FracMask;
  assign normal = field != '0;

  assign sign_o = code_i[F.width-1];
  assign exp_o  = field | F.exp_w'(!normal);
  assign sig_o  = frac | ((F.man_w + 1)'(normal) << F.man_w);

  if (F.specials == SpecialsIeee) begin : gen_ieee
    assign inf_o = (&field) && frac == '0;
    assign nan_o = (&field) && frac != '0;
  end else if (F.specials == SpecialsOcpNan) begin : gen_ocp_nan
    assign inf_o = 1'b0;
    assign nan_o = &code_i[F.width-2:0];
  end else if (F.specials == SpecialsFnuz) begin : gen_fnuz
    assign inf_o = 1'b0;
    assign nan_o = code_i == F.width'(Flipped ? 0 : nan_code(F));
  end else begin : gen_none
    assign inf_o = 1'b0;
    assign nan_o = 1'b0;
  end
endmodule
