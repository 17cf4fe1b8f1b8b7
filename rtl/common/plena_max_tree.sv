// SPDX-License-Identifier: Apache-2.0
//
// Largest of many unsigned numbers.
//
// Method:     balanced tree, neighbours first; a lane without a neighbour moves up as it is.
// Latency:    combinational.
module plena_max_tree #(
  parameter int unsigned Lanes = 32,
  parameter int unsigned Width = 8
) (
  input  logic [Lanes-1:0][Width-1:0] data_i,  // numbers, lane by lane
  output logic            [Width-1:0] max_o    // the largest
);
  localparam int unsigned Levels = $clog2(Lanes);

  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Nodes = (Lanes + (1 << level) - 1) >> level;
    logic [Nodes-1:0][Width-1:0] node;
    if (level == 0) begin : gen_leaves
      assign node = data_i;
    end else begin : gen_nodes
      localparam int unsigned Below = (Lanes + (1 << (level - 1)) - 1) >> (level - 1);
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        if (2 * n + 1 < Below) begin : gen_pair
          assign node[n] = gen_level[level-1].node[2*n+1] > gen_level[level-1].node[2*n]
                         ? gen_level[level-1].node[2*n+1] : gen_level[level-1].node[2*n];
        end else begin : gen_single
          assign node[n] = gen_level[level-1].node[2*n];
        end
      end
    end
  end

  assign max_o = gen_level[Levels].node[0];
endmodule
