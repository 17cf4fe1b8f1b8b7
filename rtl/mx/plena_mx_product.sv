// Exact product of two MX elements, an integer in units of both elements' last places.
//
// Contract:   a * b = product_o * 2^(lsb_a + lsb_b), lsb = -ManW for MXINT and 1 - Bias - ManW for
//             MXFP; the operands come from plena_mx_element.
// Method:     multiply the significands, shift by the sum of the exponents. MXFP exponents start
//             at 1: each leaves a zero at the bottom, which is dropped.
// Latency:    combinational.
module plena_mx_product
  import plena_pkg::*;
#(
  parameter  int unsigned AExpW     = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW     = 6,
  parameter  int unsigned ASpecials = SpecialsNone,
  parameter  int unsigned BExpW     = 0,
  parameter  int unsigned BManW     = 6,
  parameter  int unsigned BSpecials = SpecialsNone,
  localparam int unsigned ProductW  = mx_product_width(AExpW, AManW, ASpecials,
                                                       BExpW, BManW, BSpecials)
) (
  input  logic signed [AManW+1:0]        a_sig_i,
  input  logic        [max(AExpW,1)-1:0] a_exp_i,
  input  logic signed [BManW+1:0]        b_sig_i,
  input  logic        [max(BExpW,1)-1:0] b_exp_i,
  output logic signed [ProductW-1:0]     product_o
);
  localparam int unsigned Drop   = (AExpW == 0 ? 0 : 1) + (BExpW == 0 ? 0 : 1);
  localparam int unsigned WideW  = ProductW + Drop;
  localparam int unsigned ShiftW = max(AExpW, BExpW) + 1;

  logic signed [WideW-1:0]  wide;
  logic        [ShiftW-1:0] shift;

  assign shift     = ShiftW'(a_exp_i) + ShiftW'(b_exp_i);
  assign wide      = (WideW'(a_sig_i) * WideW'(b_sig_i)) << shift;
  assign product_o = wide[WideW-1:Drop];

  if (Drop > 0) begin : gen_dropped
    logic unused_zeros;
    assign unused_zeros = |wide[Drop-1:0];
  end
endmodule
