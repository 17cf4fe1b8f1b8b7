// SPDX-License-Identifier: Apache-2.0
//
// Exact dot product of two blocks of MX elements; they may be of different formats.
//
// Golden twin: golden.ops.dot, before scales and rounding.
// Contract:   sum(a_i * b_i) = sum_o * 2^(lsb_a + lsb_b), lsb = -man_w for MXINT and
//             1 - bias - man_w for MXFP.
// Method:     one exact integer product a lane, one exact sum: nothing is aligned to a largest
//             exponent and nothing is lost. Lanes and sum are unsigned, see plena_mx_product.
// Specials:   special_o says that an element is Inf or NaN; sum_o then means nothing.
// Latency:    combinational.
module plena_mx_dot_core
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned ProductW  = mx_product_width(A.elem, B.elem),
  localparam int unsigned SumW      = ProductW + $clog2(BlockSize)
) (
  input  logic [BlockSize-1:0][AWidth-1:0] a_codes_i,  // block of elements, lane 0 lowest
  input  logic [BlockSize-1:0][BWidth-1:0] b_codes_i,  // block of elements, lane 0 lowest
  output logic                [SumW-1:0]   sum_o,      // exact dot, two's complement
  output logic                             special_o   // an element is Inf or NaN
);
  // What all lanes together have too much; the sum starts at minus that.
  localparam logic [SumW-1:0] Offset =
      SumW'(BlockSize) * SumW'(mx_product_offset(A.elem, B.elem));

  logic [BlockSize-1:0][ProductW-1:0] products;
  logic [BlockSize-1:0]               special;

  for (genvar lane = 0; lane < BlockSize; lane++) begin : gen_lane
    plena_mx_product #(
      .AFmt(elem_fmt(AMx)), .BFmt(elem_fmt(BMx))
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
