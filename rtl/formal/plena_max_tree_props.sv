// SPDX-License-Identifier: Apache-2.0
//
// plena_max_tree against what a maximum is: one of the numbers, and none is larger.
//
// Method:     lane_i picks any lane; it is left free in the proof.
// Latency:    combinational.
module plena_max_tree_props #(
  parameter  int unsigned Lanes = 5,
  parameter  int unsigned Width = 4,
  localparam int unsigned LaneW = Lanes > 1 ? $clog2(Lanes) : 1
) (
  input  logic [Lanes-1:0][Width-1:0] data_i,     // numbers, lane by lane
  input  logic            [LaneW-1:0] lane_i,     // any lane, left free in proofs
  output logic            [Width-1:0] max_o,      // maximum of the block
  output logic                        assumed_o,  // lane_i is a lane
  output logic                        holds_o     // what is to be proven
);
  logic [Lanes-1:0] equal;

  plena_max_tree #(
    .Lanes(Lanes), .Width(Width)
  ) u_dut (
    .data_i, .max_o
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
    assign equal[lane] = data_i[lane] == max_o;
  end

  assign assumed_o = 32'(lane_i) < Lanes;
  assign holds_o   = equal != '0 && max_o >= data_i[lane_i];
endmodule
