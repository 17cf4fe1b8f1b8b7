// SPDX-License-Identifier: Apache-2.0
//
// An MX element code as sign, magnitude and exponent: an operand of plena_mx_product.
//
// Golden twin: golden.ops.dot.element_integers.
// Contract:   element = (-1)^sign_o * mag_o * 2^(exp_o + lsb), unless special_o. MXINT: exp_o = 0,
//             lsb = -man_w. MXFP: exp_o = 1 .. 2^exp_w - 1, lsb = -bias - man_w.
// Specials:   special_o says Inf or NaN; the others then mean nothing.
// Latency:    combinational.
module plena_mx_element
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = pack_fixed(2, 6, 1'b0, 1'b1),  // minifloat, or q2.n
  localparam fmt_t        F       = fmt_of(Fmt),
  localparam int unsigned Width   = F.width,
  localparam int unsigned MagW    = F.exp_w == 0 ? 2 + F.man_w : 1 + F.man_w,
  localparam int unsigned ExpOutW = max(F.exp_w, 1)
) (
  input  logic [Width-1:0]   code_i,    // element
  output logic               sign_o,    // sign
  output logic [MagW-1:0]    mag_o,     // magnitude
  output logic [ExpOutW-1:0] exp_o,     // exponent, see Contract
  output logic               special_o  // it is Inf or NaN
);
  if (F.exp_w == 0) begin : gen_int
    assign sign_o    = code_i[Width-1];
    assign mag_o     = sign_o ? -code_i : code_i;
    assign exp_o     = '0;
    assign special_o = 1'b0;
  end else begin : gen_fp
    logic inf, nan;

    plena_fp_unpack #(
      .Fmt(Fmt)
    ) u_unpack (
      .code_i, .sign_o, .exp_o, .sig_o(mag_o), .inf_o(inf), .nan_o(nan)
    );
    assign special_o = inf || nan;
  end
endmodule
