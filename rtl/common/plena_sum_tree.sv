// SPDX-License-Identifier: Apache-2.0
//
// Exact sum of many unsigned numbers, plus a constant, modulo 2^SumW.
//
// Method:     carry-save: full adders make two numbers of three, level by level (C. S. Wallace, "A
//             suggestion for a fast multiplier", IEEE Trans. Electronic Computers EC-13(1), 1964),
//             and plena_select_add adds the last two.
// Latency:    combinational.
module plena_sum_tree #(
  parameter  int unsigned Lanes = 32,
  parameter  int unsigned Width = 16,
  localparam int unsigned SumW  = Width + $clog2(Lanes),
  parameter  logic [SumW-1:0] Constant = '0
) (
  input  logic [Lanes-1:0][Width-1:0] data_i,  // numbers, lane by lane
  output logic            [SumW-1:0]  sum_o    // sum and Constant, modulo 2^SumW
);
  localparam int unsigned Numbers = Lanes + 1;  // with the constant

  // Numbers that are left after so many levels.
  function automatic int unsigned left(int unsigned level);
    int unsigned count = Numbers;
    for (int unsigned i = 0; i < level; i++) count = 2 * (count / 3) + count % 3;
    return count;
  endfunction

  function automatic int unsigned depth();
    int unsigned level = 0;
    while (left(level) > 2) level++;
    return level;
  endfunction

  localparam int unsigned Levels = depth();

  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Count = left(level);
    logic [Count-1:0][SumW-1:0] number;
    if (level == 0) begin : gen_in
      for (genvar n = 0; n < Lanes; n++) begin : gen_number
        assign number[n] = SumW'(data_i[n]);
      end
      assign number[Lanes] = Constant;
    end else begin : gen_add
      localparam int unsigned Before  = left(level - 1);
      localparam int unsigned Triples = Before / 3;
      for (genvar n = 0; n < Triples; n++) begin : gen_triple
        logic [SumW-1:0] x, y, z;
        assign x = gen_level[level-1].number[3*n];
        assign y = gen_level[level-1].number[3*n+1];
        assign z = gen_level[level-1].number[3*n+2];
        assign number[2*n]   = x ^ y ^ z;
        assign number[2*n+1] = ((x & y) | ((x ^ y) & z)) << 1;
      end
      for (genvar n = 3 * Triples; n < Before; n++) begin : gen_over
        assign number[n-Triples] = gen_level[level-1].number[n];
      end
    end
  end

  plena_select_add #(
    .Width(SumW)
  ) u_sum (
    .a_i(gen_level[Levels].number[0]), .b_i(gen_level[Levels].number[1]), .carry_i(1'b0), .sum_o
  );
endmodule
