// SPDX-License-Identifier: Apache-2.0
//
// Tile of the matrix unit, output stationary: Rows x Cols lanes, one step of K a beat.
//
// Golden twin: golden.ops.mx_tile.
// Contract:   a beat brings element k of every row of A and of every column of B with the scales of
//             their blocks. y_o, row-major, comes for beats with write_i only: each lane's sum of
//             complete blocks since first_i, cast once to the vector format.
// Method:     the lanes keep exact sums only. When a block ends, or results are asked for, all sums
//             are held at once, and a walk of Slots cycles brings them through the rounding paths:
//             a path rounds, adds and casts for Slots <= BlockSize lanes in turn, while the lanes
//             are at the next block. A walk with write_i leaves results where it found the sums.
// Latency:    Slots + 3 + 2 * Stages cycles, Slots = mx_tile_slots(Rows, Cols, BlockSize), at least
//             3 if Stages is 2. One beat a cycle, but a walk waits for the one before it: the end of
//             a block right after a write for mx_tile_write_wait cycles, a write right after a
//             write, in the middle of a block, for Wait cycles.
// Specials:   as plena_mx_dot; the cast saturates.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled, and 0
//             while there is none. in_ready_o follows write_i and first_i in the cycle.
// Reset:      asynchronous, active low: nothing in flight, no block begun, sums start at +0.
module plena_mx_tile
  import plena_pkg::*;
#(
  parameter  int unsigned Rows      = 2,
  parameter  int unsigned Cols      = 2,
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  int unsigned VFmt      = Bf16,  // of results; minifloat or fixed point
  parameter  int unsigned Stages    = 1,     // of rounding; 2: a register more before each
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
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
  if (Rows < 1 || Cols < 1) begin : gen_illegal_size
    $fatal(1, "plena_mx_tile: Rows=%0d and Cols=%0d must be at least 1", Rows, Cols);
  end
  if (!is_mx(AMx)) begin : gen_illegal_a
    $fatal(1, "plena_mx_tile: no MX format: AMx=%s", mx_text(AMx));
  end
  if (!is_mx(BMx)) begin : gen_illegal_b
    $fatal(1, "plena_mx_tile: no MX format: BMx=%s", mx_text(BMx));
  end
  if (B.block_size != BlockSize) begin : gen_illegal_block
    $fatal(1, "plena_mx_tile: blocks of %0d and %0d elements (AMx, BMx), must be equal",
           A.block_size, B.block_size);
  end
  if (!is_scalar(AccFmt)) begin : gen_illegal_acc
    $fatal(1, "plena_mx_tile: no format: AccFmt=%s", fmt_text(AccFmt));
  end
  if (!is_scalar(VFmt)) begin : gen_illegal_v
    $fatal(1, "plena_mx_tile: no format: VFmt=%s", fmt_text(VFmt));
  end

  // A path serves SlotRows rows of SlotCols columns.
  localparam int unsigned SlotCols = mx_tile_slot_cols(Cols, BlockSize);
  localparam int unsigned SlotRows = mx_tile_slot_rows(Rows, Cols, BlockSize);
  localparam int unsigned Slots    = mx_tile_slots(Rows, Cols, BlockSize);
  localparam int unsigned PathRows = (Rows + SlotRows - 1) / SlotRows;
  localparam int unsigned PathCols = (Cols + SlotCols - 1) / SlotCols;
  localparam int unsigned PathSteps = 1 + 2 * Stages;  // from a sum read to its result
  localparam int unsigned Latency   = mx_tile_latency(Rows, Cols, BlockSize, Stages);
  localparam int unsigned Wait      = Latency - 1;

  localparam int unsigned RowW      = max($clog2(Rows), 1);
  localparam int unsigned ColW      = max($clog2(Cols), 1);
  localparam int unsigned SlotW     = max($clog2(Slots), 1);
  localparam int unsigned SumW      = mx_dot_width(A, B);
  localparam int unsigned ScaleSumW = scale_sum_width(A, B);

  // The beat.
  logic step, last, begins, open_q, walks, walk_free;

  assign walks      = last || write_i;
  assign in_ready_o = walk_free || !walks;
  assign step       = in_valid_i && in_ready_o;
  assign begins     = first_i || !open_q;

  plena_block_counter #(
    .BlockSize(BlockSize)
  ) u_counter (
    .clk_i, .rst_ni, .advance_i(step), .restart_i(first_i), .last_o(last)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) open_q <= 1'b0;
    else if (step) open_q <= !last;
  end

  logic                [SumW-1:0] sum [Rows][Cols];
  logic [Rows-1:0][A.scale_w-1:0] a_scale, a_scale_q;
  logic [Cols-1:0][B.scale_w-1:0] b_scale, b_scale_q;
  logic                [Rows-1:0] a_nan, a_nan_q;
  logic                [Cols-1:0] b_nan, b_nan_q;

  plena_mx_lanes #(
    .Rows(Rows), .Cols(Cols), .AMx(AMx), .BMx(BMx)
  ) u_lanes (
    .clk_i, .step_i(step), .begin_i(begins), .a_codes_i, .a_scale_i, .b_codes_i, .b_scale_i,
    .sum_o(sum), .a_scale_o(a_scale), .b_scale_o(b_scale), .a_nan_o(a_nan), .b_nan_o(b_nan)
  );

  // A beat that ends a block or writes starts a walk: in the next cycle, when the lanes have its
  // sums, they are held, and then read, a lane of every path a cycle.
  typedef struct packed {
    logic first;     // from +0
    logic complete;  // the held sums are those of whole blocks
    logic write;     // results come back
  } walk_t;

  walk_t            next_q, walk_q;
  logic             walk, hold_q, restart_q, writing_q, reading_q, last_slot;
  logic [SlotW-1:0] wait_q;
  logic [RowW-1:0]  row_q;
  logic [ColW-1:0]  col_q;

  assign walk      = step && walks;
  assign last_slot = row_q == RowW'(SlotRows - 1) && col_q == ColW'(SlotCols - 1);
  // A walk that writes has the held sums to itself until its results are taken.
  assign walk_free = writing_q ? out_valid_o && out_ready_i : wait_q == '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      hold_q    <= 1'b0;
      restart_q <= 1'b1;
      writing_q <= 1'b0;
      wait_q    <= '0;
      reading_q <= 1'b0;
    end else begin
      hold_q <= walk;
      if (step) restart_q <= !walks && (restart_q || first_i);
      if (walk) begin
        writing_q <= write_i;
        wait_q    <= SlotW'(Slots - 1);
      end else begin
        if (out_valid_o && out_ready_i) writing_q <= 1'b0;
        if (wait_q != '0) wait_q <= wait_q - 1'b1;
      end
      if (hold_q) reading_q <= 1'b1;
      else if (last_slot) reading_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (walk) next_q <= '{first: restart_q || first_i, complete: last, write: write_i};
    if (hold_q) begin
      walk_q    <= next_q;
      a_scale_q <= a_scale;
      b_scale_q <= b_scale;
      a_nan_q   <= a_nan;
      b_nan_q   <= b_nan;
      row_q     <= '0;
      col_q     <= '0;
    end else if (reading_q) begin
      col_q <= col_q == ColW'(SlotCols - 1) ? '0 : col_q + 1'b1;
      row_q <= col_q == ColW'(SlotCols - 1) ? row_q + 1'b1 : row_q;
    end
  end

  // Where the results of what was read PathSteps ago belong, and when the last of them is there.
  logic            done;
  logic            returns;
  logic [RowW-1:0] return_row;
  logic [ColW-1:0] return_col;

  plena_delay_line #(
    .Width(2), .Depth(PathSteps)
  ) u_returns (
    .clk_i, .rst_ni, .enable_i(1'b1),
    .data_i({reading_q && walk_q.write, reading_q && walk_q.write && last_slot}),
    .data_o({returns, done})
  );
  plena_delay_line #(
    .Width(RowW + ColW), .Depth(PathSteps)
  ) u_place (
    .clk_i, .rst_ni, .enable_i(1'b1), .data_i({row_q, col_q}), .data_o({return_row, return_col})
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else out_valid_o <= done || (out_valid_o && !out_ready_i);
  end

  logic [SumW-1:0]   path_sum [PathRows][PathCols];
  logic [VWidth-1:0] path_y [PathRows][PathCols];

  plena_mx_hold #(
    .Rows(Rows), .Cols(Cols), .AMx(AMx), .BMx(BMx), .VFmt(VFmt)
  ) u_hold (
    .clk_i, .hold_i(hold_q), .sum_i(sum), .row_i(row_q), .col_i(col_q), .sum_o(path_sum),
    .return_i(returns), .return_row_i(return_row), .return_col_i(return_col), .y_i(path_y),
    .show_i(out_valid_o), .y_o
  );

  for (genvar i = 0; i < PathRows; i++) begin : gen_path_row
    for (genvar j = 0; j < PathCols; j++) begin : gen_path
      logic [RowW-1:0] row;
      logic [ColW-1:0] col;

      assign row = RowW'(i * SlotRows) + row_q;
      assign col = ColW'(j * SlotCols) + col_q;

      plena_mx_path #(
        .Slots(Slots), .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt), .VFmt(VFmt),
        .Stages(Stages)
      ) u_path (
        .clk_i, .rst_ni, .valid_i(reading_q),
        .slot_i(SlotW'(row_q) * SlotW'(SlotCols) + SlotW'(col_q)),
        .first_i(walk_q.first), .complete_i(walk_q.complete), .sum_i(path_sum[i][j]),
        .scale_i(ScaleSumW'(a_scale_q[row]) + ScaleSumW'(b_scale_q[col])),
        .nan_i(a_nan_q[row] || b_nan_q[col]),
        .y_o(path_y[i][j])
      );
    end
  end
endmodule
