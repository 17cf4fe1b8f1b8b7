// SPDX-License-Identifier: Apache-2.0
//
// One MX vector times several, every product an ordered sum of exact block dots, with side data
// that comes out with the results.
//
// Golden twin: golden.ops.mx_mv with transposed, first and write set.
// Contract:   a_codes_i holds Blocks blocks, b_codes_i as many a lane, lane by lane. Element and
//             lane 0 are in the least significant bits.
// Method:     exact integer dots of all blocks | their partials, each scaled and rounded once to
//             the accumulator format | one block added after the other, from +0 | cast.
// Latency:    dot_lanes_latency(Blocks) = 3 + Blocks cycles; one vector a cycle.
// Specials:   as plena_mx_dot; the cast saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_mx_dot_lanes
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_mxint(8, 4),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 4),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  int unsigned Fmt       = Bf16,  // of results
  parameter  int unsigned Blocks    = 2,
  parameter  int unsigned Lanes     = 2,
  parameter  int unsigned SideW     = 8,
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam fmt_t        F         = minifloat_of(Fmt),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned Depth     = Blocks * BlockSize,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned Width     = F.width
) (
  input  logic                                   clk_i,        // clock
  input  logic                                   rst_ni,       // asynchronous reset
  input  logic                                   in_valid_i,   // a beat is offered
  output logic                                   in_ready_o,   // and taken
  input  logic        [Depth-1:0][AWidth-1:0]    a_codes_i,    // vector, block by block
  input  logic       [Blocks-1:0][A.scale_w-1:0] a_scale_i,    // its scale codes
  input  logic  [Lanes*Depth-1:0][BWidth-1:0]    b_codes_i,    // vectors, lane by lane
  input  logic [Lanes*Blocks-1:0][B.scale_w-1:0] b_scale_i,    // their scale codes
  input  logic                   [SideW-1:0]     side_i,       // travels along
  output logic                                   out_valid_o,  // a result is offered
  input  logic                                   out_ready_i,  // and taken
  output logic        [Lanes-1:0][Width-1:0]     y_o,          // a product a lane
  output logic                   [SideW-1:0]     side_o        // side_i of these products
);
  localparam int unsigned AccWidth  = Acc.width;
  localparam int unsigned SumW      = mx_dot_width(A, B);
  localparam int unsigned ScaleSumW = scale_sum_width(A, B);

  // Stage 1: the exact dots, and the sums of the scale codes.
  logic [SideW-1:0]                            s1_side, s2_side;
  logic [Lanes-1:0][Blocks-1:0][SumW-1:0]      dot, s1_dot;  // two's complement
  logic [Lanes-1:0][Blocks-1:0][ScaleSumW-1:0] scale, s1_scale;
  logic [Lanes-1:0][Blocks-1:0]                nan, s1_nan;
  logic [Lanes-1:0][Blocks-1:0][AccWidth-1:0]  partial, s2_partial;
  logic                                        s1_valid, s1_ready, s2_valid, s2_ready;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_dots
    for (genvar block = 0; block < Blocks; block++) begin : gen_block
      localparam int unsigned Place = lane * Blocks + block;
      logic special;

      plena_mx_dot_core #(
        .AMx(AMx), .BMx(BMx)
      ) u_dot (
        .a_codes_i(a_codes_i[block*BlockSize+:BlockSize]),
        .b_codes_i(b_codes_i[Place*BlockSize+:BlockSize]),
        .sum_o(dot[lane][block]), .special_o(special)
      );

      assign nan[lane][block] = special || (has_scale_nan(A) && a_scale_i[block] == '1)
                             || (has_scale_nan(B) && b_scale_i[Place] == '1);
      assign scale[lane][block] = ScaleSumW'(a_scale_i[block]) + ScaleSumW'(b_scale_i[Place]);

      plena_mx_partial_core #(
        .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt)
      ) u_partial (
        .sum_i(s1_dot[lane][block]), .scale_i(s1_scale[lane][block]), .nan_i(s1_nan[lane][block]),
        .partial_o(partial[lane][block])
      );
    end
  end

  plena_stream_reg #(
    .Width(SideW + Lanes * Blocks * (1 + ScaleSumW + SumW))
  ) u_dots (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({side_i, nan, scale, dot}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_side, s1_nan, s1_scale, s1_dot})
  );

  plena_stream_reg #(
    .Width(SideW + Lanes * Blocks * AccWidth)
  ) u_partials (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i({s1_side, partial}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .out_data_o({s2_side, s2_partial})
  );

  // A stage a block: what is in place `block` becomes the sum up to there.
  logic [Blocks:0]                                      valid, ready;
  logic [Blocks:0][SideW-1:0]                           side;
  logic [Blocks:0][Lanes-1:0][Blocks-1:0][AccWidth-1:0] sums;

  assign valid[0] = s2_valid;
  assign s2_ready = ready[0];
  assign side[0]  = s2_side;
  assign sums[0]  = s2_partial;

  for (genvar block = 0; block < Blocks; block++) begin : gen_stage
    logic [Lanes-1:0][Blocks-1:0][AccWidth-1:0] next;

    for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
      for (genvar place = 0; place < Blocks; place++) begin : gen_place
        if (place == block) begin : gen_add
          plena_mx_accumulate_core #(
            .Fmt(AccFmt)
          ) u_accumulate (
            .acc_i(sums[block][lane][block == 0 ? 0 : block-1]),
            .partial_i(sums[block][lane][block]), .first_i(block == 0), .last_i(1'b1),
            .acc_o(next[lane][place])
          );
        end else begin : gen_keep
          assign next[lane][place] = sums[block][lane][place];
        end
      end
    end

    plena_stream_reg #(
      .Width(SideW + Lanes * Blocks * AccWidth)
    ) u_reg (
      .clk_i, .rst_ni,
      .in_valid_i(valid[block]), .in_ready_o(ready[block]), .in_data_i({side[block], next}),
      .out_valid_o(valid[block+1]), .out_ready_i(ready[block+1]),
      .out_data_o({side[block+1], sums[block+1]})
    );
  end

  logic [Lanes-1:0][Width-1:0] y;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_cast
    plena_fp_cast_core #(
      .SrcFmt(AccFmt), .DstFmt(Fmt)
    ) u_cast (
      .a_i(sums[Blocks][lane][Blocks-1]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(SideW + Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(valid[Blocks]), .in_ready_o(ready[Blocks]), .in_data_i({side[Blocks], y}),
    .out_valid_o, .out_ready_i, .out_data_o({side_o, y_o})
  );
endmodule
