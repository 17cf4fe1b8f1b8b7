// SPDX-License-Identifier: Apache-2.0
//
// The lanes of the matrix unit: Rows x Cols exact sums of products, one product a lane and step.
//
// Golden twin: golden.ops.dot, before scales and rounding.
// Contract:   sum_o[i][j] is the sum of the products of row i and column j of all steps since
//             begin_i, in units of both last places (see plena_mx_factor). Of BlockSize steps it is
//             exact.
// Method:     MXFP: an element becomes an integer and a shift once for all lanes of its row or
//             column; a lane multiplies, shifts and adds. Both operands are broadcast: a lane has no
//             register but its sum.
// Specials:   a_nan_o and b_nan_o say of which rows and columns an element of these steps was Inf or
//             NaN, or the last scale NaN; their sums then mean nothing.
// Latency:    1 cycle; outputs keep their values in cycles without step_i.
// Reset:      none: begin_i starts from nothing.
module plena_mx_lanes
  import plena_pkg::*;
#(
  parameter  int unsigned Rows   = 2,
  parameter  int unsigned Cols   = 2,
  parameter  bit [63:0]   AMx    = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx    = pack_mxint(8, 32),
  localparam mx_t         A      = mx_of(AMx),
  localparam mx_t         B      = mx_of(BMx),
  localparam int unsigned AWidth = A.elem.width,
  localparam int unsigned BWidth = B.elem.width,
  localparam int unsigned SumW   = mx_dot_width(A, B)
) (
  input  logic                           clk_i,               // clock
  input  logic                           step_i,              // take these elements
  input  logic                           begin_i,             // they are the first of a block
  input  logic    [Rows-1:0][AWidth-1:0] a_codes_i,           // an element a row
  input  logic [Rows-1:0][A.scale_w-1:0] a_scale_i,           // their scale codes
  input  logic    [Cols-1:0][BWidth-1:0] b_codes_i,           // an element a column
  input  logic [Cols-1:0][B.scale_w-1:0] b_scale_i,           // their scale codes
  output logic                [SumW-1:0] sum_o [Rows][Cols],  // exact sums
  output logic [Rows-1:0][A.scale_w-1:0] a_scale_o,           // scale codes of the last step
  output logic [Cols-1:0][B.scale_w-1:0] b_scale_o,           // likewise
  output logic                [Rows-1:0] a_nan_o,             // see Specials
  output logic                [Cols-1:0] b_nan_o              // likewise
);
  // Loops, so that a simulator may keep them as loops: thousands of lanes are one short program.
  typedef logic [SumW-1:0] sums_t [Rows][Cols];

  logic [Rows-1:0] a_special_q;  // an element of the row's block so far is Inf or NaN
  logic [Cols-1:0] b_special_q;

  if (A.elem.exp_w == 0 && B.elem.exp_w == 0) begin : gen_int
    // As plena_mx_product: the partial products of Baugh and Wooley, which are a constant too much.
    localparam int unsigned     ALowW    = AWidth - 1;  // bits below the sign
    localparam int unsigned     BLowW    = BWidth - 1;
    localparam int unsigned     ProductW = mx_product_width(A.elem, B.elem);
    localparam logic [SumW-1:0] Offset   =
        SumW'(A.block_size) * SumW'(mx_product_offset(A.elem, B.elem));

    logic [AWidth-1:0] a [Rows];
    logic [BWidth-1:0] b [Cols];

    for (genvar i = 0; i < Rows; i++) begin : gen_row
      assign a[i] = a_codes_i[i];
    end
    for (genvar j = 0; j < Cols; j++) begin : gen_col
      assign b[j] = b_codes_i[j];
    end

    function automatic sums_t next_sums();
      sums_t               next;
      logic                a_sign, b_sign;
      logic [ALowW-1:0]    a_low, a_row;
      logic [BLowW-1:0]    b_low, b_row;
      logic [ProductW-1:0] product;
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Rows; i++) begin
        /* verilator unroll_disable */
        for (int unsigned j = 0; j < Cols; j++) begin
          {a_sign, a_low} = a[i];
          {b_sign, b_low} = b[j];
          a_row           = ~(a_low & {ALowW{b_sign}});
          b_row           = ~(b_low & {BLowW{a_sign}});
          product         = ProductW'(a_low) * ProductW'(b_low)
                          + (ProductW'(a_row) << BLowW) + (ProductW'(b_row) << ALowW)
                          + (ProductW'(a_sign && b_sign) << (ALowW + BLowW));
          next[i][j]      = (begin_i ? -Offset : sum_o[i][j]) + SumW'(product);
        end
      end
      return next;
    endfunction

    always_ff @(posedge clk_i) if (step_i) sum_o <= next_sums();

    assign a_special_q = '0;
    assign b_special_q = '0;
  end else begin : gen_shifted
    localparam int unsigned ProductW = mx_factor_width(A.elem) + mx_factor_width(B.elem);
    localparam int unsigned AShiftW  = max(A.elem.exp_w, 1);
    localparam int unsigned BShiftW  = max(B.elem.exp_w, 1);
    localparam int unsigned ShiftW   = max(AShiftW, BShiftW) + 1;

    logic signed [mx_factor_width(A.elem)-1:0] a [Rows];
    logic signed [mx_factor_width(B.elem)-1:0] b [Cols];
    logic [AShiftW-1:0] a_shift [Rows];
    logic [BShiftW-1:0] b_shift [Cols];
    logic [Rows-1:0]    a_special;
    logic [Cols-1:0]    b_special;

    for (genvar i = 0; i < Rows; i++) begin : gen_row
      plena_mx_factor #(
        .Fmt(elem_fmt(AMx))
      ) u_factor (
        .code_i(a_codes_i[i]), .factor_o(a[i]), .shift_o(a_shift[i]), .special_o(a_special[i])
      );
    end
    for (genvar j = 0; j < Cols; j++) begin : gen_col
      plena_mx_factor #(
        .Fmt(elem_fmt(BMx))
      ) u_factor (
        .code_i(b_codes_i[j]), .factor_o(b[j]), .shift_o(b_shift[j]), .special_o(b_special[j])
      );
    end

    function automatic sums_t next_sums();
      sums_t                      next;
      logic signed [ProductW-1:0] product;
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Rows; i++) begin
        /* verilator unroll_disable */
        for (int unsigned j = 0; j < Cols; j++) begin
          product    = ProductW'(a[i]) * ProductW'(b[j]);
          next[i][j] = (begin_i ? '0 : sum_o[i][j])
                     + (SumW'(product) << (ShiftW'(a_shift[i]) + ShiftW'(b_shift[j])));
        end
      end
      return next;
    endfunction

    always_ff @(posedge clk_i) begin
      if (step_i) begin
        sum_o       <= next_sums();
        a_special_q <= (begin_i ? '0 : a_special_q) | a_special;
        b_special_q <= (begin_i ? '0 : b_special_q) | b_special;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (step_i) begin
      a_scale_o <= a_scale_i;
      b_scale_o <= b_scale_i;
    end
  end

  for (genvar i = 0; i < Rows; i++) begin : gen_a_nan
    assign a_nan_o[i] = a_special_q[i] || (has_scale_nan(A) && a_scale_o[i] == '1);
  end
  for (genvar j = 0; j < Cols; j++) begin : gen_b_nan
    assign b_nan_o[j] = b_special_q[j] || (has_scale_nan(B) && b_scale_o[j] == '1);
  end
endmodule
