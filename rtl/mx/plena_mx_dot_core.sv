// Exact dot product of two blocks of MX elements; they may be of different formats.
//
// Golden twin: golden.ops.dot, before scales and rounding.
// Contract:   sum(a_i * b_i) = sum_o * 2^(lsb_a + lsb_b), lsb = -ManW for MXINT and
//             1 - Bias - ManW for MXFP.
// Method:     one exact integer product a lane, one exact sum: nothing is aligned to a largest
//             exponent and nothing is lost. Lanes and sum are unsigned, see plena_mx_product.
// Specials:   special_o says that an element is Inf or NaN; sum_o then means nothing.
// Latency:    combinational.
module plena_mx_dot_core
  import plena_pkg::*;
#(
  parameter  int unsigned AExpW     = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW     = 6,
  parameter  int unsigned ASpecials = SpecialsNone,
  parameter  int unsigned BExpW     = 0,
  parameter  int unsigned BManW     = 6,
  parameter  int unsigned BSpecials = SpecialsNone,
  parameter  int unsigned BlockSize = 32,
  localparam int unsigned AWidth    = AExpW == 0 ? 2 + AManW : 1 + AExpW + AManW,
  localparam int unsigned BWidth    = BExpW == 0 ? 2 + BManW : 1 + BExpW + BManW,
  localparam int unsigned ProductW  = mx_product_width(AExpW, AManW, ASpecials,
                                                       BExpW, BManW, BSpecials),
  localparam int unsigned SumW      = ProductW + $clog2(BlockSize)
) (
  input  logic [BlockSize-1:0][AWidth-1:0] a_codes_i,
  input  logic [BlockSize-1:0][BWidth-1:0] b_codes_i,
  output logic                  [SumW-1:0] sum_o,       // two's complement
  output logic                             special_o
);
  // What all lanes together have too much; the sum starts at minus that.
  localparam logic [SumW-1:0] Offset =
      SumW'(BlockSize) * SumW'(mx_product_offset(AExpW, AManW, ASpecials, BExpW, BManW, BSpecials));

  logic [BlockSize-1:0][ProductW-1:0] products;
  logic [BlockSize-1:0]               special;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_lane
    plena_mx_product #(
      .AExpW(AExpW), .AManW(AManW), .ASpecials(ASpecials),
      .BExpW(BExpW), .BManW(BManW), .BSpecials(BSpecials)
    ) u_product (
      .a_i(a_codes_i[lane]), .b_i(b_codes_i[lane]),
      .product_o(products[lane]), .special_o(special[lane])
    );
  end

  plena_sum_tree #(
    .Lanes(BlockSize), .Width(ProductW), .Constant(-Offset)
  ) u_sum (
    .data_i(products), .sum_o
  );

  assign special_o = |special;
endmodule
