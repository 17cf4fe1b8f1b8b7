// plena_fp_mul_core against a table of all its results, one row for every pair of codes.
//
// Method:     row {a, b} of Table; the table comes from exact fractions (sim/formal/proofs.py).
// Latency:    combinational.
module plena_fp_mul_table_props
  import plena_pkg::*;
#(
  parameter  int unsigned                    ExpW     = 2,
  parameter  int unsigned                    ManW     = 1,
  parameter  int                             Bias     = 1,
  parameter  int unsigned                    Specials = SpecialsNone,
  localparam int unsigned                    Width    = 1 + ExpW + ManW,
  localparam int unsigned                    Rows     = 1 << (2 * Width),
  parameter  logic [Rows-1:0][Width-1:0]     Table    = '0
) (
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic [Width-1:0] y_o,
  output logic             holds_o
);
  plena_fp_mul_core #(
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials)
  ) u_dut (
    .a_i, .b_i, .y_o
  );

  assign holds_o = y_o == Table[{a_i, b_i}];
endmodule
