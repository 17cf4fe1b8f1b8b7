// SPDX-License-Identifier: Apache-2.0
//
// The rest of plena_fp_mul_core: what plena_fp_exact_product gives, rounded once.
//
// Method:     plena_normalize_round.
// Specials:   see plena_round.
// Latency:    combinational.
module plena_fp_product_round
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned ProdW    = fp_product_width(F),
  localparam int unsigned ExpW     = fp_product_exp_width(F)
) (
  input  logic               sign_i,     // sign
  input  logic [ExpW-1:0]    exp_i,      // sum of both fields - bias, two's complement
  input  logic [ProdW-1:0]   product_i,  // exact product of the significands
  input  logic               inf_i,      // it is an exact Inf
  input  logic               nan_i,      // it is NaN
  output logic [F.width-1:0] y_o         // rounded product
);
  // One subnormal factor brings at most man_w + 1 leading zeros. Two of them give a subnormal
  // product (unless the bias is negative), where leading zeros do not count.
  localparam int unsigned MaxLz = F.bias >= 0 ? F.man_w + 1 : ProdW - 1;

  // The product's top bit is one binade above field a + b - bias, so that this sum is what
  // plena_normalize calls exp_i.
  plena_normalize_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate), .InW(ProdW),
    .ExpMin(fp_product_exp_min(F)), .ExpMax(fp_product_exp_max(F)), .MaxLz(MaxLz)
  ) u_round (
    .sign_i, .exp_i, .sig_i(product_i), .inf_i, .nan_i, .code_o(y_o)
  );
endmodule
