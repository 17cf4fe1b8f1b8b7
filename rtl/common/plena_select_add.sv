// SPDX-License-Identifier: Apache-2.0
//
// Sum of two numbers and a carry, fast: sum_o = a_i + b_i + carry_i, modulo 2^Width.
//
// Method:     conditional sums, J. Sklansky, "Conditional-sum addition logic", IRE Trans. Electronic
//             Computers EC-9(2), 1960: groups of a few bits add with either carry in, and neighbours
//             are joined by choosing the upper one's sum, level by level. Made for synthesisers that
//             turn a prefix adder back into a ripple: they find no shorter form of the choices.
// Latency:    combinational.
module plena_select_add #(
  parameter int unsigned Width = 8
) (
  input  logic [Width-1:0] a_i,      // summand
  input  logic [Width-1:0] b_i,      // summand
  input  logic             carry_i,  // carry in
  output logic [Width-1:0] sum_o     // sum, modulo 2^Width
);
  localparam int unsigned LeafMax = 4;  // below that a ripple is as fast
  localparam int unsigned Levels  = $clog2((Width + LeafMax - 1) / LeafMax);
  localparam int unsigned Leaves  = 1 << Levels;
  localparam int unsigned LeafW   = (Width + Leaves - 1) / Leaves;
  localparam int unsigned PadW    = Leaves * LeafW;

  logic [PadW-1:0] a, b;
  assign a = PadW'(a_i);
  assign b = PadW'(b_i);

  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Nodes = Leaves >> level;
    localparam int unsigned NodeW = LeafW << level;
    logic [Nodes-1:0][NodeW:0] without, with_one;  // sums without and with a carry in
    if (level == 0) begin : gen_leaves
      for (genvar n = 0; n < Nodes; n++) begin : gen_leaf
        assign without[n]  = (NodeW + 1)'(a[n*NodeW+:NodeW]) + (NodeW + 1)'(b[n*NodeW+:NodeW]);
        assign with_one[n] = (NodeW + 1)'(a[n*NodeW+:NodeW]) + (NodeW + 1)'(b[n*NodeW+:NodeW])
                           + (NodeW + 1)'(1);
      end
    end else begin : gen_nodes
      localparam int unsigned HalfW = NodeW / 2;
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        logic [HalfW:0] low_without, low_with, high_without, high_with;
        assign low_without  = gen_level[level-1].without[2*n];
        assign low_with     = gen_level[level-1].with_one[2*n];
        assign high_without = gen_level[level-1].without[2*n+1];
        assign high_with    = gen_level[level-1].with_one[2*n+1];
        assign without[n]   = {low_without[HalfW] ? high_with : high_without, low_without[HalfW-1:0]};
        assign with_one[n]  = {low_with[HalfW] ? high_with : high_without, low_with[HalfW-1:0]};
      end
    end
  end

  logic [PadW:0] sum;
  assign sum   = carry_i ? gen_level[Levels].with_one[0] : gen_level[Levels].without[0];
  assign sum_o = sum[Width-1:0];

  logic unused_sum;
  assign unused_sum = ^sum;  // carry out and padding
endmodule
