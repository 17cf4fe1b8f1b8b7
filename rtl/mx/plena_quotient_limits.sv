// SPDX-License-Identifier: Apache-2.0
//
// From where on a quotient rounds to each element: limits for RN_elem(RN(x / s)), without division.
//
// Golden twin: golden.ops.fp_to_nvfp4, its last step.
// Contract:   for a finite x of Fmt, RN_elem(RN(abs(x) / s)) is code k or more exactly if abs(x) is
//             above limit k; limits are codes of Fmt without their sign, compared as numbers.
// Method:     the quotient comes to the midpoint m below code k from half a unit below m on, or
//             goes beyond it from half a unit above: the one where a tie of elements goes to k (k
//             even), the other where not. That bound has one bit more than Fmt, the last one set,
//             so that bound * s is never a number of Fmt, and cut to Fmt it says as much. Bounds
//             are constants; each limit is one product and plena_fp_pack.
// Specials:   s_i is positive and no NaN. Inf, and limits beyond the largest number: no finite x is
//             above.
// Latency:    combinational.
module plena_quotient_limits
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = Fp32,  // of x, s and x / s, which does not overflow to NaN
  parameter  int unsigned ElemFmt = E2m1,  // minifloat; its midpoints are normal in Fmt
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam fmt_t        E       = minifloat_of(ElemFmt),
  localparam int unsigned Width   = F.width,
  localparam int unsigned Count   = max_code(E)  // largest code; limits are 1 .. Count
) (
  input  logic           [Width-1:0] s_i,      // divisor
  output logic [Count:1][Width-2:0]  limits_o  // by code
);
  localparam int          ExpMin  = 1 - int'(F.man_w);  // of plena_fp_unpack_normal
  localparam int          ExpMax  = (1 << F.exp_w) - 1;
  localparam int unsigned ExpW    = signed_width(ExpMin, ExpMax);
  localparam int unsigned BoundW  = F.man_w + 2;
  localparam int unsigned ProdW   = F.man_w + 1 + BoundW;
  localparam int          ElemLsb = 1 - E.bias - int'(E.man_w);

  // Value of an element's code in units of its smallest subnormal.
  function automatic int unsigned units(int unsigned code);
    int unsigned field = code >> E.man_w;
    int unsigned frac  = code % (1 << E.man_w);
    return field == 0 ? frac : (frac + (1 << E.man_w)) << (field - 1);
  endfunction

  logic             sign, zero, inf, nan;
  logic [ExpW-1:0]  exp;  // two's complement
  logic [F.man_w:0] sig;  // top bit set

  plena_fp_unpack_normal #(
    .Fmt(Fmt)
  ) u_unpack (
    .code_i(s_i), .sign_o(sign), .exp_o(exp), .sig_o(sig), .zero_o(zero), .inf_o(inf), .nan_o(nan)
  );

  for (genvar k = 1; k <= Count; k++) begin : gen_limit
    localparam int unsigned Middle = units(k - 1) + units(k);  // in half units
    localparam int unsigned Lead   = $clog2(Middle + 1) - 1;   // its binade
    // Twice the significand of Middle, which ends in zeros where it has more places.
    localparam logic [ProdW-1:0] Normal = Lead < BoundW ? ProdW'(Middle) << (BoundW - 1 - Lead)
                                                        : ProdW'(Middle >> (Lead + 1 - BoundW));
    logic [ProdW-1:0] product;
    logic             limit_sign;

    // sig * (Normal + 1), or - 1.
    if (k % 2 == 1) begin : gen_above
      assign product = ProdW'(sig) * Normal + ProdW'(sig);
    end else begin : gen_below
      assign product = ProdW'(sig) * Normal - ProdW'(sig);
    end

    plena_fp_pack #(
      .Fmt(Fmt), .InW(ProdW), .ExpMin(ExpMin), .ExpMax(ExpMax),
      .ExpOffset(int'(Lead) + ElemLsb - F.bias), .MaxLz(1), .Rounding(RoundTowardZero)
    ) u_pack (
      .sign_i(1'b0), .sig_i(product), .exp_i(exp), .inf_i(inf), .nan_i(1'b0),
      .code_o({limit_sign, limits_o[k]})
    );

    logic unused_sign;
    assign unused_sign = limit_sign;
  end

  logic unused_parts;
  assign unused_parts = ^{sign, zero, nan};
endmodule
