`ifndef MADE_FOR_TESTS_PRECISION
`define MADE_FOR_TESTS_PRECISION
package precision_pkg;
  localparam ACT_MXFP_EXP_WIDTH = 4; // V_FP_EXP_WIDTH = 3;
  localparam WT_MX_INT_ENABLE = 1'b1;
  parameter int BLOCK_DIM = 8;
  parameter int V_FP_EXP_WIDTH = 6, V_FP_MANT_WIDTH = BLOCK_DIM - 3;
  localparam M_FP_EXP_WIDTH = 8;
  localparam M_FP_MANT_WIDTH = 'd23;
endpackage
`endif
