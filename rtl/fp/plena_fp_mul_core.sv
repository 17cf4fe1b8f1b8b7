// SPDX-License-Identifier: Apache-2.0
//
// Correctly rounded product of two codes of one minifloat: RN(a * b).
//
// Golden twin: golden.ops.mul.
// Method:     multiply the significands as they are, subnormals without normalising them first;
//             normalise the exact product once and round it once.
// Specials:   0 * Inf and any NaN give the canonical NaN; the sign is the XOR of the signs, zeros
//             included. Overflow: see plena_round.
// Latency:    combinational.
module plena_fp_mul_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  parameter  bit          AFlipped = 1'b0,  // a_i has its sign bit flipped: RN(-a * b)
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic [Width-1:0] a_i,  // factor
  input  logic [Width-1:0] b_i,  // factor
  output logic [Width-1:0] y_o   // rounded product
);
  localparam int unsigned ProdW = fp_product_width(F);
  localparam int unsigned ExpW  = fp_product_exp_width(F);

  logic             sign, inf, nan;
  logic [ExpW-1:0]  exp;
  logic [ProdW-1:0] product;

  plena_fp_exact_product #(
    .Fmt(Fmt), .AFlipped(AFlipped)
  ) u_product (
    .a_i, .b_i, .sign_o(sign), .exp_o(exp), .product_o(product), .inf_o(inf), .nan_o(nan)
  );

  plena_fp_product_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_round (
    .sign_i(sign), .exp_i(exp), .product_i(product), .inf_i(inf), .nan_i(nan), .y_o
  );
endmodule
