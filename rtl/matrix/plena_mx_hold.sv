// SPDX-License-Identifier: Apache-2.0
//
// What the lanes of the matrix unit have summed, held while the rounding paths read it, and the
// results that come back into the same registers.
//
// Method:     path (p, q) is of rows p*SlotRows and up and of columns q*SlotCols and up: row_i and
//             col_i count from there, the same for all paths. Where rows or columns run out, a path
//             reads and returns nothing of meaning.
// Latency:    sums are held from the cycle after hold_i on, results from the one after return_i.
//             hold_i goes before return_i.
// Reset:      none.
module plena_mx_hold
  import plena_pkg::*;
#(
  parameter  int unsigned Rows     = 2,
  parameter  int unsigned Cols     = 2,
  parameter  bit [63:0]   AMx      = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx      = pack_mxint(8, 32),
  parameter  int unsigned VFmt     = Bf16,  // of results; minifloat or fixed point
  localparam mx_t         A        = mx_of(AMx),
  localparam mx_t         B        = mx_of(BMx),
  localparam fmt_t        V        = fmt_of(VFmt),
  localparam int unsigned SlotRows = mx_tile_slot_rows(Rows, Cols, A.block_size),
  localparam int unsigned SlotCols = mx_tile_slot_cols(Cols, A.block_size),
  localparam int unsigned PathRows = (Rows + SlotRows - 1) / SlotRows,
  localparam int unsigned PathCols = (Cols + SlotCols - 1) / SlotCols,
  localparam int unsigned SumW     = mx_dot_width(A, B),
  localparam int unsigned Width    = V.width,
  localparam int unsigned RowW     = max($clog2(Rows), 1),
  localparam int unsigned ColW     = max($clog2(Cols), 1)
) (
  input  logic                            clk_i,                     // clock
  input  logic                            hold_i,                    // hold these sums
  input  logic [SumW-1:0]                 sum_i [Rows][Cols],        // of the lanes
  input  logic [RowW-1:0]                 row_i,                     // lane that every path reads
  input  logic [ColW-1:0]                 col_i,                     // likewise
  output logic [SumW-1:0]                 sum_o [PathRows][PathCols],  // its sum
  input  logic                            return_i,                  // put these results
  input  logic [RowW-1:0]                 return_row_i,              // there
  input  logic [ColW-1:0]                 return_col_i,              // likewise
  input  logic [Width-1:0]                y_i [PathRows][PathCols],  // result of every path
  input  logic                            show_i,                    // all results are there
  output logic [Rows*Cols-1:0][Width-1:0] y_o                        // row-major; 0 without show_i
);
  localparam int unsigned HoldW = max(SumW, Width);

  typedef logic [HoldW-1:0] held_t [Rows][Cols];

  held_t held_q;

  // Loops as in plena_mx_lanes.
  function automatic held_t held_sums();
    held_t held;
    /* verilator unroll_disable */
    for (int unsigned i = 0; i < Rows; i++) begin
      /* verilator unroll_disable */
      for (int unsigned j = 0; j < Cols; j++) held[i][j] = HoldW'(sum_i[i][j]);
    end
    return held;
  endfunction

  always_ff @(posedge clk_i) begin
    if (hold_i) begin
      held_q <= held_sums();
    end else if (return_i) begin
      for (int unsigned i = 0; i < PathRows; i++) begin
        for (int unsigned j = 0; j < PathCols; j++) begin
          held_q[RowW'(i*SlotRows)+return_row_i][ColW'(j*SlotCols)+return_col_i] <= HoldW'(y_i[i][j]);
        end
      end
    end
  end

  for (genvar i = 0; i < PathRows; i++) begin : gen_row
    for (genvar j = 0; j < PathCols; j++) begin : gen_path
      logic [RowW-1:0] row;
      logic [ColW-1:0] col;

      assign row         = RowW'(i * SlotRows) + row_i;
      assign col         = ColW'(j * SlotCols) + col_i;
      assign sum_o[i][j] = held_q[row][col][SumW-1:0];
    end
  end

  always_comb begin
    y_o = (Rows*Cols*Width)'(0);
    if (show_i) begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Rows; i++) begin
        /* verilator unroll_disable */
        for (int unsigned j = 0; j < Cols; j++) y_o[i*Cols+j] = held_q[i][j][Width-1:0];
      end
    end
  end
endmodule
