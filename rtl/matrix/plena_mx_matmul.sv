// SPDX-License-Identifier: Apache-2.0
//
// Matrix products of MX operands, a slice of K a beat: Heads x (Rows, Depth) @ (Depth, Cols).
//
// Golden twin: golden.ops.mx_bmm; mx_mm with one head, mx_mv with one row.
// Contract:   per head, a_codes_i is (Rows, Depth) row-major, a_scale_i (Rows, Depth / BlockSize);
//             b is (Depth, Cols), or (Cols, Depth) if transposed_i, and so are its scales with
//             Depth / BlockSize for Depth. Blocks run along Depth. first_i starts a sum; y_o,
//             (Rows, Cols) a head, comes for beats with write_i only.
// Method:     the operands of a beat are latched as they come and read k by k into one plena_mx_tile
//             a head. The next beat is latched with the last k of this one.
// Latency:    Depth + mx_tile_latency(Rows, Cols, BlockSize, Stages) cycles; one beat every Depth
//             cycles, the one after a write mx_tile_write_wait(Rows, Cols, BlockSize, Stages) later.
// Specials:   as plena_mx_tile.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, accumulators +0.
module plena_mx_matmul
  import plena_pkg::*;
#(
  parameter  int unsigned Heads     = 1,
  parameter  int unsigned Rows      = 2,
  parameter  int unsigned Cols      = 2,
  parameter  int unsigned Depth     = 8,
  parameter  bit [63:0]   AMx       = pack_mxint(8, 8),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 8),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  int unsigned VFmt      = Bf16,  // of results; minifloat or fixed point
  parameter  int unsigned Stages    = 1,     // of rounding; 2: a register more before each
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        V         = fmt_of(VFmt),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned Blocks    = Depth / BlockSize,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned VWidth    = V.width
) (
  input  logic                                        clk_i,         // clock
  input  logic                                        rst_ni,        // asynchronous reset
  input  logic                                        in_valid_i,    // a beat is offered
  output logic                                        in_ready_o,    // and taken
  input  logic [Heads*Rows*Depth-1:0][AWidth-1:0]     a_codes_i,     // A of each head, row-major
  input  logic [Heads*Rows*Blocks-1:0][A.scale_w-1:0] a_scale_i,     // its scale codes
  input  logic [Heads*Depth*Cols-1:0][BWidth-1:0]     b_codes_i,     // B of each head, row-major
  input  logic [Heads*Blocks*Cols-1:0][B.scale_w-1:0] b_scale_i,     // its scale codes
  input  logic                                        transposed_i,  // B is (Cols, Depth)
  input  logic                                        first_i,       // sums start at +0
  input  logic                                        write_i,       // results come out
  output logic                                        out_valid_o,   // a result is offered
  input  logic                                        out_ready_i,   // and taken
  output logic [Heads*Rows*Cols-1:0][VWidth-1:0]      y_o            // product, row-major
);
  if (Heads < 1 || Depth < 1 || Depth % BlockSize != 0) begin : gen_illegal_size
    $fatal(1, "plena_mx_matmul: Heads=%0d must be at least 1 and Depth=%0d a multiple of ", Heads,
           Depth, "BlockSize=%0d", BlockSize);
  end

  localparam int unsigned StepW = max($clog2(Depth), 1);

  // The beat that is being read, as it came.
  logic [Heads*Rows*Depth-1:0][AWidth-1:0]     a_q;
  logic [Heads*Rows*Blocks-1:0][A.scale_w-1:0] a_scale_q;
  logic [Heads*Depth*Cols-1:0][BWidth-1:0]     b_q;
  logic [Heads*Blocks*Cols-1:0][B.scale_w-1:0] b_scale_q;
  logic                                        transposed_q, first_q, write_q, busy_q;
  logic [StepW-1:0]                            step_q;
  int unsigned                                 k, block;  // what is read
  logic                                        load, step, last_step;
  logic [Heads-1:0]                            tile_ready, tile_valid;

  // The tiles have the same beats and the same stalls, so that all are ready and valid together.
  assign k           = 32'(step_q);
  assign block       = k / BlockSize;
  assign last_step   = step_q == StepW'(Depth - 1);
  assign step        = busy_q && (&tile_ready);
  assign in_ready_o  = !busy_q || (last_step && (&tile_ready));
  assign load        = in_valid_i && in_ready_o;
  assign out_valid_o = &tile_valid;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      step_q <= '0;
    end else if (load) begin
      busy_q <= 1'b1;
      step_q <= '0;
    end else if (step) begin
      busy_q <= !last_step;
      step_q <= step_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (load) begin
      a_q          <= a_codes_i;
      a_scale_q    <= a_scale_i;
      b_q          <= b_codes_i;
      b_scale_q    <= b_scale_i;
      transposed_q <= transposed_i;
      first_q      <= first_i;
      write_q      <= write_i;
    end
  end

  for (genvar head = 0; head < Heads; head++) begin : gen_head
    logic [Rows-1:0][AWidth-1:0]    a;
    logic [Rows-1:0][A.scale_w-1:0] a_scale;
    logic [Cols-1:0][BWidth-1:0]    b;
    logic [Cols-1:0][B.scale_w-1:0] b_scale;

    for (genvar i = 0; i < Rows; i++) begin : gen_row
      localparam int unsigned Row = head * Rows + i;

      assign a[i]       = a_q[Row*Depth+k];
      assign a_scale[i] = a_scale_q[Row*Blocks+block];
    end
    for (genvar j = 0; j < Cols; j++) begin : gen_column
      localparam int unsigned Col = head * Cols + j;

      assign b[j]       = transposed_q ? b_q[Col*Depth+k] : b_q[(head*Depth+k)*Cols+j];
      assign b_scale[j] = transposed_q ? b_scale_q[Col*Blocks+block]
                                       : b_scale_q[(head*Blocks+block)*Cols+j];
    end

    plena_mx_tile #(
      .Rows(Rows), .Cols(Cols), .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt), .VFmt(VFmt),
      .Stages(Stages)
    ) u_tile (
      .clk_i, .rst_ni,
      .in_valid_i(busy_q), .in_ready_o(tile_ready[head]),
      .a_codes_i(a), .a_scale_i(a_scale), .b_codes_i(b), .b_scale_i(b_scale),
      .first_i(first_q && step_q == '0), .write_i(write_q && last_step),
      .out_valid_o(tile_valid[head]), .out_ready_i,
      .y_o(y_o[head*Rows*Cols+:Rows*Cols])
    );
  end
endmodule
