// Exact sum of many unsigned numbers.
//
// Method:     balanced tree, neighbours first; every level is one bit wider, so nothing overflows.
// Latency:    combinational.
module plena_sum_tree #(
  parameter  int unsigned Lanes = 32,
  parameter  int unsigned Width = 16,
  localparam int unsigned SumW  = Width + $clog2(Lanes)
) (
  input  logic [Lanes-1:0][Width-1:0] data_i,
  output logic             [SumW-1:0] sum_o
);
  localparam int unsigned Levels = $clog2(Lanes);

  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Nodes = (Lanes + (1 << level) - 1) >> level;
    localparam int unsigned NodeW = Width + level;
    logic [Nodes-1:0][NodeW-1:0] node;
    if (level == 0) begin : gen_leaves
      assign node = data_i;
    end else begin : gen_nodes
      localparam int unsigned Below = (Lanes + (1 << (level - 1)) - 1) >> (level - 1);
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        if (2 * n + 1 < Below) begin : gen_pair
          assign node[n] = NodeW'(gen_level[level-1].node[2*n+1])
                         + NodeW'(gen_level[level-1].node[2*n]);
        end else begin : gen_single
          assign node[n] = NodeW'(gen_level[level-1].node[2*n]);
        end
      end
    end
  end

  assign sum_o = gen_level[Levels].node[0];
endmodule
