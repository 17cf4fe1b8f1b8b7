// SPDX-License-Identifier: Apache-2.0
//
// Systolic tile of the matrix unit, output stationary: Rows x Cols lanes, one step of K a beat.
//
// Golden twin: golden.ops.mx_tile.
// Contract:   a beat brings element k of every row of A and of every column of B with the scales of
//             their blocks. y_o, row-major, comes for beats with write_i only: each lane's sum of
//             complete blocks since first_i, cast once to the vector format.
// Method:     row i of A is delayed by i steps and column j of B by j; each lane hands its operands
//             to its right and lower neighbours a step later, so that element k of both meets in
//             every lane. Lane (i, j) is i + j steps late; its result waits for the others in a
//             delay line. Everything moves together, unless a result waits to be taken.
// Latency:    Rows + Cols + 2 cycles; one beat a cycle, also across sums.
// Specials:   as plena_mx_mac and plena_fp_cast_core; the cast saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, no block begun, accumulators +0.
module plena_mx_tile
  import plena_pkg::*;
#(
  parameter  int unsigned Rows      = 2,
  parameter  int unsigned Cols      = 2,
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  int unsigned VFmt      = Bf16,  // of results; minifloat or fixed point
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam fmt_t        V         = fmt_of(VFmt),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned VWidth    = V.width
) (
  input  logic                             clk_i,        // clock
  input  logic                             rst_ni,       // asynchronous reset
  input  logic                             in_valid_i,   // a beat is offered
  output logic                             in_ready_o,   // and taken
  input  logic [Rows-1:0][AWidth-1:0]      a_codes_i,    // an element a row
  input  logic [Rows-1:0][A.scale_w-1:0]   a_scale_i,    // their scale codes
  input  logic [Cols-1:0][BWidth-1:0]      b_codes_i,    // an element a column
  input  logic [Cols-1:0][B.scale_w-1:0]   b_scale_i,    // their scale codes
  input  logic                             first_i,      // sums start at +0
  input  logic                             write_i,      // results come out
  output logic                             out_valid_o,  // a result is offered
  input  logic                             out_ready_i,  // and taken
  output logic [Rows*Cols-1:0][VWidth-1:0] y_o           // sums, row-major
);
  // Rows + Cols - 2 steps to the last lane, 3 in it, 1 for the output register.
  localparam int unsigned Latency = Rows + Cols + 2;

  if (Rows < 1 || Cols < 1) begin : gen_illegal_size
    $fatal(1, "plena_mx_tile: Rows=%0d and Cols=%0d must be at least 1", Rows, Cols);
  end
  if (!is_scalar(VFmt)) begin : gen_illegal_v
    $fatal(1, "plena_mx_tile: no format: VFmt=%s", fmt_text(VFmt));
  end

  localparam int unsigned AccWidth = Acc.width;
  localparam int unsigned RowW     = 3 + A.scale_w + AWidth;  // valid, first, last travel with A
  localparam int unsigned ColW     = B.scale_w + BWidth;

  logic enable, last;

  assign enable     = !out_valid_o || out_ready_i;
  assign in_ready_o = enable;

  plena_block_counter #(
    .BlockSize(BlockSize)
  ) u_counter (
    .clk_i, .rst_ni, .advance_i(in_valid_i && enable), .restart_i(first_i), .last_o(last)
  );

  plena_delay_line #(
    .Width(1), .Depth(Latency)
  ) u_written (
    .clk_i, .rst_ni, .enable_i(enable), .data_i(in_valid_i && write_i), .data_o(out_valid_o)
  );

  logic [RowW-1:0] row [Rows][Cols];  // what lane (i, j) is given
  logic [ColW-1:0] col [Rows][Cols];

  for (genvar i = 0; i < Rows; i++) begin : gen_row_skew
    plena_delay_line #(
      .Width(RowW), .Depth(i)
    ) u_skew (
      .clk_i, .rst_ni, .enable_i(enable),
      .data_i({in_valid_i, first_i, last, a_scale_i[i], a_codes_i[i]}), .data_o(row[i][0])
    );
  end

  for (genvar j = 0; j < Cols; j++) begin : gen_col_skew
    plena_delay_line #(
      .Width(ColW), .Depth(j)
    ) u_skew (
      .clk_i, .rst_ni, .enable_i(enable),
      .data_i({b_scale_i[j], b_codes_i[j]}), .data_o(col[0][j])
    );
  end

  for (genvar i = 0; i < Rows; i++) begin : gen_row
    for (genvar j = 0; j < Cols; j++) begin : gen_lane
      logic                 lane_valid, lane_first, lane_last;
      logic [AWidth-1:0]    a_code;
      logic [A.scale_w-1:0] a_scale;
      logic [BWidth-1:0]    b_code;
      logic [B.scale_w-1:0] b_scale;
      logic [AccWidth-1:0]  acc;
      logic [VWidth-1:0]    y;

      if (j > 0) begin : gen_from_left
        plena_delay_line #(
          .Width(RowW), .Depth(1)
        ) u_pass (
          .clk_i, .rst_ni, .enable_i(enable), .data_i(row[i][j-1]), .data_o(row[i][j])
        );
      end
      if (i > 0) begin : gen_from_above
        plena_delay_line #(
          .Width(ColW), .Depth(1)
        ) u_pass (
          .clk_i, .rst_ni, .enable_i(enable), .data_i(col[i-1][j]), .data_o(col[i][j])
        );
      end

      assign {lane_valid, lane_first, lane_last, a_scale, a_code} = row[i][j];
      assign {b_scale, b_code} = col[i][j];

      plena_mx_mac #(
        .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt)
      ) u_mac (
        .clk_i, .rst_ni, .enable_i(enable),
        .valid_i(lane_valid), .first_i(lane_first), .last_i(lane_last),
        .a_code_i(a_code), .a_scale_i(a_scale), .b_code_i(b_code), .b_scale_i(b_scale), .acc_o(acc)
      );

      plena_fp_cast_core #(
        .SrcFmt(AccFmt), .DstFmt(VFmt)
      ) u_cast (
        .a_i(acc), .y_o(y)
      );

      plena_delay_line #(
        .Width(VWidth), .Depth(Rows + Cols - 1 - i - j)
      ) u_deskew (
        .clk_i, .rst_ni, .enable_i(enable), .data_i(y), .data_o(y_o[i*Cols+j])
      );
    end
  end
endmodule
