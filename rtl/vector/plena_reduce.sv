// SPDX-License-Identifier: Apache-2.0
//
// Stream of vectors reduced to one code each: seed and masked lanes, summed or the largest taken.
//
// Golden twin: golden.ops.reduce_sum, golden.ops.reduce_max.
// Method:     every lane cast to the destination, masked lanes replaced by what changes nothing;
//             a balanced tree, neighbours first, a register a level (a lane without a neighbour
//             moves up as it is); last the seed.
// Latency:    2 + clog2(Lanes) cycles; one vector a cycle. Lane 0 is in the least significant bits.
// Specials:   see plena_fp_add_core and plena_fp_max_core. A masked lane is -0 in a sum (+0 where
//             there is no -0); for the largest it is NaN, or the lowest value where there is none.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_reduce
  import plena_pkg::*;
#(
  parameter  int unsigned SrcFmt   = Bf16,  // minifloat
  parameter  int unsigned DstFmt   = Fp32,  // minifloat, of sums and maxima
  parameter  int unsigned Lanes    = 16,
  parameter  bit          Largest  = 1'b0,
  localparam fmt_t        Src      = minifloat_of(SrcFmt),
  localparam fmt_t        Dst      = minifloat_of(DstFmt),
  localparam int unsigned SrcWidth = Src.width,
  localparam int unsigned DstWidth = Dst.width
) (
  input  logic                           clk_i,        // clock
  input  logic                           rst_ni,       // asynchronous reset
  input  logic                           in_valid_i,   // a beat is offered
  output logic                           in_ready_o,   // and taken
  input  logic [Lanes-1:0][SrcWidth-1:0] x_i,          // vector, lane 0 lowest
  input  logic            [Lanes-1:0]    mask_i,       // lanes that take part
  input  logic            [DstWidth-1:0] seed_i,       // takes part in any case
  output logic                           out_valid_o,  // a result is offered
  input  logic                           out_ready_i,  // and taken
  output logic            [DstWidth-1:0] y_o           // reduced code
);
  localparam int unsigned Levels  = $clog2(Lanes);

  if (!is_minifloat(SrcFmt)) begin : gen_illegal_src
    $fatal(1, "plena_reduce: no minifloat: SrcFmt=%s", fmt_text(SrcFmt));
  end
  if (!is_minifloat(DstFmt)) begin : gen_illegal_dst
    $fatal(1, "plena_reduce: no minifloat: DstFmt=%s", fmt_text(DstFmt));
  end
  if (Lanes < 1) begin : gen_illegal_lanes
    $fatal(1, "plena_reduce: Lanes=%0d (at least 1)", Lanes);
  end

  // What changes no result: a zero in a sum, -0 where there is one; else NaN, or the lowest value.
  localparam logic [DstWidth-1:0] Sign     = {1'b1, (DstWidth - 1)'(0)};
  localparam logic [DstWidth-1:0] Zero     = Dst.specials == SpecialsFnuz ? '0 : Sign;
  localparam logic [DstWidth-1:0] Loser    = Dst.specials == SpecialsNone
                                           ? Sign | DstWidth'(max_code(Dst))
                                           : DstWidth'(nan_code(Dst));
  localparam logic [DstWidth-1:0] Identity = Largest ? Loser : Zero;

  // Stage `level` holds the nodes of that level, and the seed.
  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Nodes = (Lanes + (1 << level) - 1) >> level;
    logic                           valid, ready;
    logic [Nodes-1:0][DstWidth-1:0] next, node;
    logic            [DstWidth-1:0] seed;

    if (level == 0) begin : gen_lanes
      for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
        logic [DstWidth-1:0] code;
        plena_fp_cast_core #(
          .SrcFmt(SrcFmt), .DstFmt(DstFmt)
        ) u_cast (
          .a_i(x_i[lane]), .y_o(code)
        );
        assign next[lane] = mask_i[lane] ? code : Identity;
      end
      plena_stream_reg #(
        .Width((Nodes + 1) * DstWidth)
      ) u_reg (
        .clk_i, .rst_ni,
        .in_valid_i, .in_ready_o, .in_data_i({seed_i, next}),
        .out_valid_o(valid), .out_ready_i(ready), .out_data_o({seed, node})
      );
    end else begin : gen_nodes
      localparam int unsigned Below = (Lanes + (1 << (level - 1)) - 1) >> (level - 1);
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        if (2 * n + 1 < Below) begin : gen_pair
          plena_reduce_node #(
            .Fmt(DstFmt), .Largest(Largest)
          ) u_node (
            .a_i(gen_level[level-1].node[2*n]), .b_i(gen_level[level-1].node[2*n+1]),
            .y_o(next[n])
          );
        end else begin : gen_single
          assign next[n] = gen_level[level-1].node[2*n];
        end
      end
      plena_stream_reg #(
        .Width((Nodes + 1) * DstWidth)
      ) u_reg (
        .clk_i, .rst_ni,
        .in_valid_i(gen_level[level-1].valid), .in_ready_o(gen_level[level-1].ready),
        .in_data_i({gen_level[level-1].seed, next}),
        .out_valid_o(valid), .out_ready_i(ready), .out_data_o({seed, node})
      );
    end
  end

  logic [DstWidth-1:0] y;

  plena_reduce_node #(
    .Fmt(DstFmt), .Largest(Largest)
  ) u_seed (
    .a_i(gen_level[Levels].seed), .b_i(gen_level[Levels].node[0]), .y_o(y)
  );

  plena_stream_reg #(
    .Width(DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i(gen_level[Levels].valid), .in_ready_o(gen_level[Levels].ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
