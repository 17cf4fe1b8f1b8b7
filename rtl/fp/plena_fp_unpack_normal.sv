// SPDX-License-Identifier: Apache-2.0
//
// A minifloat code in its parts, subnormals with their leading one moved up.
//
// Golden twin: golden.codec.decode.
// Contract:   value = (-1)^sign_o * sig_o * 2^(exp_o - bias - man_w); the top bit of sig_o is set.
// Method:     plena_fp_unpack, then a shift by the leading zeros.
// Specials:   zero_o, inf_o, nan_o; sig_o and exp_o mean nothing there.
// Latency:    combinational.
module plena_fp_unpack_normal
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = E4m3,
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam int          ExpMin  = 1 - int'(F.man_w),  // smallest and largest exp_o
  localparam int          ExpMax  = (1 << F.exp_w) - 1,
  localparam int unsigned ExpOutW = signed_width(ExpMin, ExpMax)
) (
  input  logic [F.width-1:0] code_i,  // code
  output logic               sign_o,  // sign
  output logic [ExpOutW-1:0] exp_o,   // exponent field, 1 or less for a subnormal, two's complement
  output logic [F.man_w:0]   sig_o,   // significand, top bit set
  output logic               zero_o,  // it is a zero
  output logic               inf_o,   // it is Inf
  output logic               nan_o    // it is NaN
);
  localparam int unsigned IndexW = $clog2(max(F.man_w + 1, 2));
  localparam int unsigned Places = 1 << IndexW;

  logic [F.exp_w-1:0] exp;
  logic [F.man_w:0]   sig;
  logic [IndexW-1:0]  index, zeros;

  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i, .sign_o, .exp_o(exp), .sig_o(sig), .inf_o, .nan_o
  );
  plena_lead_one #(
    .Width(Places)
  ) u_lead_one (
    .data_i(Places'(sig) << (Places - F.man_w - 1)), .index_o(index)
  );

  assign zeros  = ~index;             // Places - 1 - index
  assign exp_o  = ExpOutW'(exp) - ExpOutW'(zeros);
  assign sig_o  = sig << zeros;
  assign zero_o = sig == '0;
endmodule
