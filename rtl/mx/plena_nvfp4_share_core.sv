// SPDX-License-Identifier: Apache-2.0
//
// The largest magnitude of a block in units of the largest element, rounded once: RN(amax / L).
//
// Golden twin: golden.ops.fp_to_nvfp4, its share.
// Method:     the significand by that of L, plena_divide_by, with the bits below that rounding
//             needs; the remainder is the sticky bit. plena_fp_pack rounds.
// Specials:   amax_i is finite; L is 1 or more, so that a subnormal gives a subnormal.
// Latency:    combinational.
module plena_nvfp4_share_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = Fp32,  // of amax and of the result; minifloat
  parameter  int unsigned ElemFmt = E2m1,  // of L; minifloat
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam fmt_t        E       = minifloat_of(ElemFmt),
  localparam int unsigned Width   = F.width
) (
  input  logic [Width-2:0] amax_i,  // code without its sign
  output logic [Width-1:0] share_o  // rounded quotient
);
  localparam int unsigned Hidden     = 1 << E.man_w;
  localparam int unsigned LargestSig = Hidden + (max_code(E) % Hidden);
  localparam int          LargestExp = int'(max_exp_field(E)) - E.bias;
  localparam int unsigned NumW       = F.man_w + E.man_w + 4;  // significand, scaled up
  localparam int unsigned QuotW      = F.man_w + 4;            // of which the top may be 0
  localparam int unsigned RemW       = $clog2(LargestSig + 1);
  localparam int          FieldMax   = int'(max_exp_field(F));
  localparam int unsigned ExpInW     = signed_width(1, FieldMax);

  logic               sign, inf, nan;
  logic [F.exp_w-1:0] exp;
  logic [F.man_w:0]   sig;
  logic [NumW-1:0]    quot;
  logic [RemW-1:0]    rem;

  plena_fp_unpack #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i({1'b0, amax_i}), .sign_o(sign), .exp_o(exp), .sig_o(sig), .inf_o(inf), .nan_o(nan)
  );

  plena_divide_by #(
    .Width(NumW), .Divisor(LargestSig)
  ) u_divide (
    .num_i(NumW'(sig) << (E.man_w + 3)), .quot_o(quot), .rem_o(rem)
  );

  plena_fp_pack #(
    .Fmt(Fmt), .InW(QuotW + 1), .ExpMin(1), .ExpMax(FieldMax), .ExpOffset(-F.bias - LargestExp),
    .MaxLz(1)
  ) u_pack (
    .sign_i(1'b0), .sig_i({quot[QuotW-1:0], rem != '0}), .exp_i(ExpInW'(exp)), .inf_i(1'b0),
    .nan_i(1'b0), .code_o(share_o)
  );

  logic unused_parts;
  assign unused_parts = ^{sign, inf, nan, quot};
endmodule
