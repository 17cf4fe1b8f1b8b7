// SPDX-License-Identifier: Apache-2.0
//
// Whether one minifloat code comes before another, -0 just before +0, and which are NaN.
//
// Golden twin: golden.ops.max, which orders codes so.
// Contract:   less_o means nothing if either is NaN.
// Latency:    combinational.
module plena_fp_order
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic [Width-1:0] a_i,      // operand
  input  logic [Width-1:0] b_i,      // operand
  output logic             a_nan_o,  // a is NaN
  output logic             b_nan_o,  // b is NaN
  output logic             less_o    // a comes before b
);
  if (F.specials == SpecialsNone) begin : gen_no_nan
    assign {a_nan_o, b_nan_o} = '0;
  end else if (F.specials == SpecialsFnuz) begin : gen_fnuz
    assign a_nan_o = a_i == Width'(nan_code(F));
    assign b_nan_o = b_i == Width'(nan_code(F));
  end else begin : gen_nan
    // Magnitudes above the last number, which is Inf where there is one.
    localparam logic [Width-2:0] Last = (Width - 1)'(max_code(F)
                                                    + (F.specials == SpecialsIeee ? 1 : 0));
    assign a_nan_o = a_i[Width-2:0] > Last;
    assign b_nan_o = b_i[Width-2:0] > Last;
  end
  assign less_o  = {!a_i[Width-1], a_i[Width-2:0] ^ {(Width - 1){a_i[Width-1]}}}
                 < {!b_i[Width-1], b_i[Width-2:0] ^ {(Width - 1){b_i[Width-1]}}};
endmodule
