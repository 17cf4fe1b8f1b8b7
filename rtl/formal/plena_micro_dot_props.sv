// SPDX-License-Identifier: Apache-2.0
//
// plena_micro_dot_core against plain integers: no element, no pair and no place is mixed up.
//
// Method:     every element is doubled unless its pair's micro-exponent is set, which makes it a
//             number of half steps; the products of these are summed one after another.
// Latency:    combinational.
module plena_micro_dot_props
  import plena_pkg::*;
#(
  parameter  int unsigned AWidth    = 3,  // bits of an element
  parameter  int unsigned BWidth    = 3,
  parameter  int unsigned BlockSize = 4,
  localparam int unsigned Pairs     = BlockSize / 2,
  localparam int unsigned SumW      = AWidth + BWidth + 2 + $clog2(BlockSize)
) (
  input  logic [BlockSize-1:0][AWidth-1:0] a_codes_i,  // elements, lane by lane
  input  logic [Pairs-1:0]                 a_micro_i,  // micro-exponents, pair by pair
  input  logic [BlockSize-1:0][BWidth-1:0] b_codes_i,  // elements, lane by lane
  input  logic [Pairs-1:0]                 b_micro_i,  // micro-exponents, pair by pair
  output logic                [SumW-1:0]   sum_o,      // dot of the block
  output logic                             holds_o     // what is to be proven
);
  logic signed [SumW-1:0] a_halves, b_halves, dot;

  always_comb begin
    dot      = '0;
    a_halves = '0;
    b_halves = '0;
    for (int unsigned lane = 0; lane < BlockSize; lane++) begin
      a_halves = {{(SumW - AWidth){a_codes_i[lane][AWidth-1]}}, a_codes_i[lane]};
      b_halves = {{(SumW - BWidth){b_codes_i[lane][BWidth-1]}}, b_codes_i[lane]};
      if (!a_micro_i[lane/2]) a_halves = a_halves + a_halves;
      if (!b_micro_i[lane/2]) b_halves = b_halves + b_halves;
      dot = dot + a_halves * b_halves;
    end
  end

  plena_micro_dot_core #(
    .AMx(pack_micro_mx(AWidth, BlockSize)), .BMx(pack_micro_mx(BWidth, BlockSize))
  ) u_dut (
    .a_codes_i, .a_micro_i, .b_codes_i, .b_micro_i, .sum_o
  );

  assign holds_o = sum_o == dot;
endmodule
