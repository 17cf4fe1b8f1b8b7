// SPDX-License-Identifier: Apache-2.0
//
// An MX element code as a signed integer and a shift: a factor of the products of plena_mx_lanes.
//
// Golden twin: golden.ops.dot.element_integers.
// Contract:   element = factor_o * 2^(shift_o + lsb), unless special_o, with lsb = -man_w for MXINT
//             and 1 - bias - man_w for MXFP.
// Specials:   special_o says Inf or NaN; the others then mean nothing.
// Latency:    combinational.
module plena_mx_factor
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = pack_fixed(2, 6, 1'b0, 1'b1),  // minifloat, or q2.n
  localparam fmt_t        F       = fmt_of(Fmt),
  localparam int unsigned Width   = F.width,
  localparam int unsigned FactorW = mx_factor_width(F),
  localparam int unsigned ShiftW  = max(F.exp_w, 1)
) (
  input  logic        [Width-1:0]   code_i,    // element
  output logic signed [FactorW-1:0] factor_o,  // integer
  output logic        [ShiftW-1:0]  shift_o,   // places that it goes up
  output logic                      special_o  // the element is Inf or NaN
);
  if (F.exp_w == 0) begin : gen_int
    assign factor_o  = signed'(code_i);
    assign shift_o   = '0;
    assign special_o = 1'b0;
  end else begin : gen_fp
    logic              sign;
    logic [F.man_w:0]  mag;
    logic [ShiftW-1:0] exp;  // 1 at least

    plena_mx_element #(
      .Fmt(Fmt)
    ) u_element (
      .code_i, .sign_o(sign), .mag_o(mag), .exp_o(exp), .special_o
    );

    assign factor_o = signed'(({1'b0, mag} ^ {FactorW{sign}}) + FactorW'(sign));
    assign shift_o  = exp - 1'b1;
  end
endmodule
