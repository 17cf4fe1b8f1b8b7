// SPDX-License-Identifier: Apache-2.0
//
// One node of the trees in plena_signed_sums: the rounded sum of two codes.
//
// Golden twin: golden.ops.add.
// Contract:   hundreds of nodes are one program that a simulation runs for each of them, instead of
//             as many copies.
// Latency:    combinational.
module plena_sum_node
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic [Width-1:0] a_i,  // summand
  input  logic [Width-1:0] b_i,  // summand
  output logic [Width-1:0] y_o   // rounded sum
);
  /* verilator no_inline_module */
  plena_fp_add_core #(
    .Fmt(Fmt)
  ) u_add (
    .a_i, .b_i, .y_o
  );
endmodule
