// SPDX-License-Identifier: Apache-2.0
//
// Exact product of two codes of one minifloat.
//
// Contract:   product_o has its top bit one binade above exponent field exp_o, which may be
//             negative; plena_normalize_round makes the rounded product of it.
// Method:     multiply the significands as they are, subnormals without normalising them first.
// Specials:   0 * Inf and any NaN are NaN.
// Latency:    combinational.
module plena_fp_exact_product
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  bit          AFlipped = 1'b0,  // a_i has its sign bit flipped: -a * b
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width,
  localparam int unsigned ProdW    = fp_product_width(F),
  localparam int unsigned ExpW     = fp_product_exp_width(F)
) (
  input  logic [Width-1:0] a_i,        // factor
  input  logic [Width-1:0] b_i,        // factor
  output logic             sign_o,     // of the product
  output logic [ExpW-1:0]  exp_o,      // sum of both fields - bias, two's complement
  output logic [ProdW-1:0] product_o,  // of both significands
  output logic             inf_o,      // it is an exact Inf
  output logic             nan_o       // it is NaN
);
  localparam int unsigned SigW = F.man_w + 1;

  logic               a_sign, a_inf, a_nan, b_sign, b_inf, b_nan;
  logic [F.exp_w-1:0] a_exp, b_exp;
  logic [SigW-1:0]    a_sig, b_sig;

  plena_fp_unpack #(
    .Fmt(Fmt), .Flipped(AFlipped)
  ) u_unpack_a (
    .code_i(a_i), .sign_o(a_sign), .exp_o(a_exp), .sig_o(a_sig), .inf_o(a_inf), .nan_o(a_nan)
  );
  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack_b (
    .code_i(b_i), .sign_o(b_sign), .exp_o(b_exp), .sig_o(b_sig), .inf_o(b_inf), .nan_o(b_nan)
  );

  assign sign_o    = a_sign ^ b_sign;
  assign product_o = ProdW'(a_sig) * ProdW'(b_sig);
  assign exp_o     = ExpW'(a_exp) + ExpW'(b_exp) - ExpW'(F.bias);
  assign nan_o     = a_nan || b_nan || (a_inf && b_sig == '0) || (b_inf && a_sig == '0);
  assign inf_o     = a_inf || b_inf;
endmodule
