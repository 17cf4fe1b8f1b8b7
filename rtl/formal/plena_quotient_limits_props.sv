// SPDX-License-Identifier: Apache-2.0
//
// Elements by plena_quotient_limits against what they stand for: RN_elem(RN(x / s)), by division.
//
// Method:     plena_divide makes the quotient, plena_fp_pack rounds it, plena_fp_cast_core rounds
//             that to an element.
// Latency:    combinational.
module plena_quotient_limits_props
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt       = Bf16,  // minifloat that does not overflow to NaN
  parameter  int unsigned ElemFmt   = E2m1,  // minifloat
  localparam fmt_t        F         = minifloat_of(Fmt),
  localparam fmt_t        E         = minifloat_of(ElemFmt),
  localparam int unsigned Width     = F.width,
  localparam int unsigned ElemWidth = E.width
) (
  input  logic     [Width-1:0] x_i,        // dividend
  input  logic     [Width-1:0] s_i,        // divisor
  output logic [ElemWidth-1:0] y_o,        // element of the blocks
  output logic [ElemWidth-1:0] other_o,    // element by division
  output logic                 assumed_o,  // x is finite, s positive
  output logic                 holds_o     // what is to be proven
);
  localparam int unsigned Count  = max_code(E);
  localparam int          ExpLow = 1 - int'(F.man_w);  // of plena_fp_unpack_normal
  localparam int          ExpTop = (1 << F.exp_w) - 1;
  localparam int unsigned PartW  = signed_width(ExpLow, ExpTop);
  localparam int unsigned ExpW   = signed_width(ExpLow - ExpTop, ExpTop - ExpLow);
  localparam int unsigned QuotW  = F.man_w + 3;
  localparam int unsigned DenW   = F.man_w + 2;

  logic [Count:1][Width-2:0] limits;
  logic          [PartW-1:0] x_exp, s_exp;
  logic           [ExpW-1:0] exp;
  logic          [F.man_w:0] x_sig, s_sig;
  logic          [QuotW-1:0] quot;
  logic           [DenW-1:0] rem;
  logic          [Width-1:0] quotient;
  logic                      x_sign, x_zero, x_inf, x_nan, s_sign, s_zero, s_inf, s_nan;

  plena_quotient_limits #(
    .Fmt(Fmt), .ElemFmt(ElemFmt)
  ) u_limits (
    .s_i, .limits_o(limits)
  );
  plena_limits_element #(
    .Fmt(Fmt), .ElemFmt(ElemFmt)
  ) u_element (
    .x_i, .limits_i(limits), .code_o(y_o)
  );

  plena_fp_unpack_normal #(
    .Fmt(Fmt)
  ) u_unpack_x (
    .code_i(x_i), .sign_o(x_sign), .exp_o(x_exp), .sig_o(x_sig), .zero_o(x_zero), .inf_o(x_inf),
    .nan_o(x_nan)
  );
  plena_fp_unpack_normal #(
    .Fmt(Fmt)
  ) u_unpack_s (
    .code_i(s_i), .sign_o(s_sign), .exp_o(s_exp), .sig_o(s_sig), .zero_o(s_zero), .inf_o(s_inf),
    .nan_o(s_nan)
  );
  plena_divide #(
    .Width(DenW), .QuotW(QuotW)
  ) u_divide (
    .num_i(DenW'(x_sig)), .den_i({s_sig, 1'b0}), .quot_o(quot), .rem_o(rem)
  );

  assign exp = ExpW'($signed(x_exp)) - ExpW'($signed(s_exp));

  plena_fp_pack #(
    .Fmt(Fmt), .InW(QuotW + 1), .ExpMin(ExpLow - ExpTop), .ExpMax(ExpTop - ExpLow),
    .Saturate(1'b0)
  ) u_pack (
    .sign_i(x_sign), .sig_i({quot, rem != '0} & {(QuotW + 1){!x_zero && !s_inf}}), .exp_i(exp),
    .inf_i(1'b0), .nan_i(1'b0), .code_o(quotient)
  );
  plena_fp_cast_core #(
    .SrcFmt(Fmt), .DstFmt(ElemFmt)
  ) u_cast (
    .a_i(quotient), .y_o(other_o)
  );

  assign assumed_o = !x_inf && !x_nan && !s_sign && !s_zero && !s_nan;
  assign holds_o   = y_o == other_o;
endmodule
