// SPDX-License-Identifier: Apache-2.0
//
// One node of a reduction tree: the rounded sum of two codes, or the larger one.
//
// Golden twin: golden.ops.add, golden.ops.max.
// Latency:    combinational.
module plena_reduce_node
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = Fp32,
  parameter  bit          Largest = 1'b0,
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam int unsigned Width   = F.width
) (
  input  logic [Width-1:0] a_i,  // operand
  input  logic [Width-1:0] b_i,  // operand
  output logic [Width-1:0] y_o   // sum, or the larger
);
  if (Largest) begin : gen_largest
    plena_fp_max_core #(
      .Fmt(Fmt)
    ) u_max (
      .a_i, .b_i, .y_o
    );
  end else begin : gen_sum
    plena_fp_add_core #(
      .Fmt(Fmt)
    ) u_add (
      .a_i, .b_i, .y_o
    );
  end
endmodule
