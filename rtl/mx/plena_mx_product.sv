// SPDX-License-Identifier: Apache-2.0
//
// Exact product of two MX elements plus a constant, so that it is never negative.
//
// Golden twin: golden.ops.dot.element_integers, multiplied.
// Contract:   product_o = a * b / 2^(lsb_a + lsb_b) + mx_product_offset(...), with lsb = -man_w for
//             MXINT and 1 - bias - man_w for MXFP. Unsigned numbers need no sign extension in the
//             sum that follows, and one subtraction there takes all offsets back.
// Method:     two MXINT: the partial products of Baugh and Wooley, "A two's complement parallel
//             array multiplication algorithm", IEEE Trans. Computers C-22(12), 1973: what the sign
//             bits subtract is added inverted. Otherwise: multiply the magnitudes, give the short
//             product its sign, shift it by the sum of the exponents (which start at 1 for MXFP:
//             each leaves a zero at the bottom to drop), and invert the sign bit, which adds its
//             weight.
// Specials:   special_o says Inf or NaN; product_o then means nothing.
// Latency:    combinational.
module plena_mx_product
  import plena_pkg::*;
#(
  parameter  int unsigned AFmt     = pack_fixed(2, 6, 1'b0, 1'b1),  // minifloat, or q2.n
  parameter  int unsigned BFmt     = pack_fixed(2, 6, 1'b0, 1'b1),
  localparam fmt_t        A        = fmt_of(AFmt),
  localparam fmt_t        B        = fmt_of(BFmt),
  localparam int unsigned AWidth   = A.width,
  localparam int unsigned BWidth   = B.width,
  localparam int unsigned ProductW = mx_product_width(A, B)
) (
  input  logic [AWidth-1:0]   a_i,        // element
  input  logic [BWidth-1:0]   b_i,        // element
  output logic [ProductW-1:0] product_o,  // exact product and the offset
  output logic                special_o   // an element is Inf or NaN
);
  if (A.exp_w == 0 && B.exp_w == 0) begin : gen_int
    localparam int unsigned ALowW = AWidth - 1;  // bits below the sign
    localparam int unsigned BLowW = BWidth - 1;

    logic [ALowW-1:0] a_low, a_row;
    logic [BLowW-1:0] b_low, b_row;
    logic             a_sign, b_sign;

    assign {a_sign, a_low} = a_i;
    assign {b_sign, b_low} = b_i;
    assign a_row     = ~(a_low & {ALowW{b_sign}});
    assign b_row     = ~(b_low & {BLowW{a_sign}});
    assign product_o = ProductW'(a_low) * ProductW'(b_low)
                     + (ProductW'(a_row) << BLowW) + (ProductW'(b_row) << ALowW)
                     + (ProductW'(a_sign && b_sign) << (ALowW + BLowW));
    assign special_o = 1'b0;
  end else begin : gen_shifted
    localparam int unsigned AMagW  = A.exp_w == 0 ? AWidth : 1 + A.man_w;
    localparam int unsigned BMagW  = B.exp_w == 0 ? BWidth : 1 + B.man_w;
    localparam int unsigned MagW   = AMagW + BMagW;
    localparam int unsigned Drop   = (A.exp_w == 0 ? 0 : 1) + (B.exp_w == 0 ? 0 : 1);
    localparam int unsigned WideW  = max(ProductW + Drop, MagW + 1);
    localparam int unsigned ShiftW = max(A.exp_w, B.exp_w) + (Drop == 2 ? 1 : 0);

    logic                      a_sign, b_sign, negative, a_special, b_special;
    logic [AMagW-1:0]          a_mag;
    logic [BMagW-1:0]          b_mag;
    logic [max(A.exp_w,1)-1:0] a_exp;
    logic [max(B.exp_w,1)-1:0] b_exp;
    logic [MagW-1:0]           mag;
    logic [MagW:0]             signed_mag;  // two's complement, before the shift
    logic [ShiftW-1:0]         shift;
    logic [WideW-1:0]          wide;        // after it

    plena_mx_element #(
      .Fmt(AFmt)
    ) u_element_a (
      .code_i(a_i), .sign_o(a_sign), .mag_o(a_mag), .exp_o(a_exp), .special_o(a_special)
    );
    plena_mx_element #(
      .Fmt(BFmt)
    ) u_element_b (
      .code_i(b_i), .sign_o(b_sign), .mag_o(b_mag), .exp_o(b_exp), .special_o(b_special)
    );

    assign mag        = MagW'(a_mag) * MagW'(b_mag);
    assign negative   = a_sign ^ b_sign;
    assign signed_mag = ({1'b0, mag} ^ {(MagW + 1){negative}}) + (MagW + 1)'(negative);
    assign shift      = ShiftW'(a_exp) + ShiftW'(b_exp);
    assign wide       = {{(WideW - MagW){signed_mag[MagW]}}, signed_mag[MagW-1:0]} << shift;
    assign product_o  = {!wide[ProductW+Drop-1], wide[ProductW+Drop-2:Drop]};
    assign special_o  = a_special || b_special;

    logic unused_wide;
    assign unused_wide = ^wide;
  end
endmodule
