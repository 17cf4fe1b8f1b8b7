// One node of a reduction tree: the rounded sum of two codes, or the larger one.
//
// Golden twin: golden.ops.add, golden.ops.max.
// Latency:    combinational.
module plena_reduce_node
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 8,
  parameter  int unsigned ManW     = 23,
  parameter  int unsigned Specials = SpecialsIeee,
  parameter  bit          Largest  = 1'b0,
  localparam int unsigned Width    = 1 + ExpW + ManW
) (
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic [Width-1:0] y_o
);
  if (Largest) begin : gen_largest
    plena_fp_max_core #(
      .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
    ) u_max (
      .a_i, .b_i, .y_o
    );
  end else begin : gen_sum
    plena_fp_add_core #(
      .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
    ) u_add (
      .a_i, .b_i, .y_o
    );
  end
endmodule
