// SPDX-License-Identifier: Apache-2.0
//
// The negated code of one minifloat: -a.
//
// Golden twin: golden.ops.neg.
// Method:     the sign bit alone.
// Specials:   a NaN keeps its payload (IEEE 754-2019 §5.5.1). Where the code of -0 is NaN, zero and
//             NaN stay what they are.
// Latency:    combinational.
module plena_fp_neg_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic [Width-1:0] a_i,  // operand
  output logic [Width-1:0] y_o   // negated
);
  if (F.specials == SpecialsFnuz) begin : gen_fnuz
    assign y_o = {a_i[Width-1] ^ (a_i[Width-2:0] != '0), a_i[Width-2:0]};
  end else begin : gen_signed
    assign y_o = {!a_i[Width-1], a_i[Width-2:0]};
  end
endmodule
