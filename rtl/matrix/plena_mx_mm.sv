// SPDX-License-Identifier: Apache-2.0
//
// Matrix product of MX operands, a slice of K a beat: (Rows, Depth) @ (Depth, Cols).
//
// Golden twin: golden.ops.mx_mm.
// Contract:   M_MM, or M_TMM if transposed_i: b is then (Cols, Depth). A beat with write_i is the
//             last one before M_MM_WO, a beat with first_i the first one after it.
// Method, specials, handshake, reset: see plena_mx_matmul.
// Latency:    Depth + mx_tile_latency(Rows, Cols, BlockSize, Stages) cycles; one beat every Depth
//             cycles, the one after a write Wait = mx_tile_write_wait(Rows, Cols, BlockSize, Stages)
//             later.
module plena_mx_mm
  import plena_pkg::*;
#(
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
  input  logic                                  clk_i,         // clock
  input  logic                                  rst_ni,        // asynchronous reset
  input  logic                                  in_valid_i,    // a beat is offered
  output logic                                  in_ready_o,    // and taken
  input  logic [Rows*Depth-1:0][AWidth-1:0]     a_codes_i,     // A, row-major
  input  logic [Rows*Blocks-1:0][A.scale_w-1:0] a_scale_i,     // its scale codes
  input  logic [Depth*Cols-1:0][BWidth-1:0]     b_codes_i,     // B, row-major
  input  logic [Blocks*Cols-1:0][B.scale_w-1:0] b_scale_i,     // its scale codes
  input  logic                                  transposed_i,  // B is (Cols, Depth)
  input  logic                                  first_i,       // sums start at +0
  input  logic                                  write_i,       // results come out
  output logic                                  out_valid_o,   // a result is offered
  input  logic                                  out_ready_i,   // and taken
  output logic [Rows*Cols-1:0][VWidth-1:0]      y_o            // product, row-major
);
  localparam int unsigned Interval = Depth;
  localparam int unsigned Wait     = mx_tile_write_wait(Rows, Cols, BlockSize, Stages);
  localparam int unsigned Latency  = Depth + mx_tile_latency(Rows, Cols, BlockSize, Stages);

  plena_mx_matmul #(
    .Heads(1), .Rows(Rows), .Cols(Cols), .Depth(Depth), .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt),
    .VFmt(VFmt), .Stages(Stages)
  ) u_matmul (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o,
    .a_codes_i, .a_scale_i, .b_codes_i, .b_scale_i, .transposed_i, .first_i, .write_i,
    .out_valid_o, .out_ready_i, .y_o
  );
endmodule
