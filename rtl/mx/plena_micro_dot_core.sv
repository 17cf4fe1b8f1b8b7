// SPDX-License-Identifier: Apache-2.0
//
// Exact dot product of two blocks of integers with micro-exponents; widths may differ.
//
// Golden twin: golden.ops.micro_dot, before scales and rounding.
// Contract:   sum(a_i * 2^-ma_i * b_i * 2^-mb_i) = sum_o * 2^(lsb_a + lsb_b - 2), lsb = -man_w: in
//             units of half a step of each side, which is what plena_mx_dot_core gives for elements
//             of one fraction bit more.
// Method:     a pair shares both micro-exponents: its two products are added by plena_mx_dot_core
//             and placed once, 0, 1 or 2 places up; then one exact sum of all pairs. Placed
//             numbers have their sign bit inverted, which adds its weight, so that the sum is of
//             unsigned numbers; a constant takes that back.
// Latency:    combinational.
module plena_micro_dot_core
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_micro_mx(8, 32),
  parameter  bit [63:0]   BMx       = pack_micro_mx(8, 32),
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned Pairs     = BlockSize / 2,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned SumW      = mx_dot_width(mx_of(micro_halves(AMx)),
                                                   mx_of(micro_halves(BMx)))
) (
  input  logic [BlockSize-1:0][AWidth-1:0] a_codes_i,  // block of elements, lane 0 lowest
  input  logic [Pairs-1:0]                 a_micro_i,  // their micro-exponents, pair 0 lowest
  input  logic [BlockSize-1:0][BWidth-1:0] b_codes_i,  // block of elements, lane 0 lowest
  input  logic [Pairs-1:0]                 b_micro_i,  // their micro-exponents, pair 0 lowest
  output logic                [SumW-1:0]   sum_o       // exact dot, two's complement
);
  localparam bit [63:0]   APair   = micro_pair(AMx);
  localparam bit [63:0]   BPair   = micro_pair(BMx);
  localparam int unsigned PairW   = mx_dot_width(mx_of(APair), mx_of(BPair));
  localparam int unsigned PlacedW = PairW + 2;
  // What all pairs together have too much; the sum starts at minus that.
  localparam logic [SumW-1:0] Offset = SumW'(Pairs) << (PlacedW - 1);

  logic [Pairs-1:0][PlacedW-1:0] placed;

  for (genvar pair = 0; pair < Pairs; pair++) begin : gen_pair
    logic [PairW-1:0]   dot;   // two's complement
    logic [PlacedW-1:0] wide;  // in units of half a step of each side
    logic [1:0]         shift;
    logic               unused_special;  // integers are numbers

    plena_mx_dot_core #(
      .AMx(APair), .BMx(BPair)
    ) u_dot (
      .a_codes_i(a_codes_i[2*pair+:2]), .b_codes_i(b_codes_i[2*pair+:2]),
      .sum_o(dot), .special_o(unused_special)
    );

    assign shift        = 2'd2 - 2'(a_micro_i[pair]) - 2'(b_micro_i[pair]);
    assign wide         = {{2{dot[PairW-1]}}, dot} << shift;
    assign placed[pair] = {!wide[PlacedW-1], wide[PlacedW-2:0]};
  end

  plena_sum_tree #(
    .Lanes(Pairs), .Width(PlacedW), .Constant(-Offset)
  ) u_sum (
    .data_i(placed), .sum_o
  );
endmodule
