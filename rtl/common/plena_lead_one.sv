// SPDX-License-Identifier: Apache-2.0
//
// Index of the most significant one.
//
// Method:     balanced tree; a node takes the index of its upper half unless that is all zero.
// Specials:   index_o is 0 for an all-zero input.
// Latency:    combinational.
module plena_lead_one #(
  parameter  int unsigned Width  = 8,             // at least 2
  localparam int unsigned IndexW = $clog2(Width)  // derived
) (
  input  logic [Width-1:0]  data_i,  // word
  output logic [IndexW-1:0] index_o  // of its highest one, counted from the bottom
);
  localparam int unsigned Leaves = 1 << IndexW;  // Width padded on top to a power of two

  for (genvar level = 0; level <= IndexW; level++) begin : gen_level
    localparam int unsigned Nodes = Leaves >> level;
    logic [Nodes-1:0]             any;    // the node's leaves hold a one
    logic [Nodes-1:0][IndexW-1:0] index;  // where, counted from the node's lowest leaf
    if (level == 0) begin : gen_leaves
      assign any   = Leaves'(data_i);
      assign index = '0;
    end else begin : gen_nodes
      for (genvar node = 0; node < Nodes; node++) begin : gen_node
        assign any[node] = gen_level[level-1].any[2*node+1] | gen_level[level-1].any[2*node];
        assign index[node] = gen_level[level-1].any[2*node+1]
            ? (gen_level[level-1].index[2*node+1] | IndexW'(1 << (level - 1)))
            : gen_level[level-1].index[2*node];
      end
    end
  end

  assign index_o = gen_level[IndexW].index[0];
  logic unused_any;
  assign unused_any = gen_level[IndexW].any[0];
endmodule
