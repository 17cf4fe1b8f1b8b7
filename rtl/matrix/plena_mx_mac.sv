// SPDX-License-Identifier: Apache-2.0
//
// Multiply-accumulate lane of the matrix unit: one pair of MX elements a step, three steps deep.
//
// Golden twin: golden.ops.mx_pe.
// Method:     exact integer sum of the block's products so far | the partial, rounded once |
//             ordered accumulate with the block's last element. All registers move together with
//             enable_i, so that many lanes keep in step; a step with valid_i = 0 is a bubble.
//             first_i restarts the sum at +0 and drops an unfinished block.
// Latency:    3 steps; a pair a step, also across blocks. acc_o is the sum of the complete blocks
//             and keeps its value in bubbles. The scales that count are those of the last pair.
// Specials:   as plena_mx_dot; one Inf or NaN element makes its whole block's partial NaN.
// Reset:      asynchronous, active low: no block begun, accumulator +0.
module plena_mx_mac
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned AccWidth  = Acc.width
) (
  input  logic                 clk_i,      // clock
  input  logic                 rst_ni,     // asynchronous reset
  input  logic                 enable_i,   // step
  input  logic                 valid_i,    // there is a pair in this step
  input  logic                 first_i,    // of a sum
  input  logic                 last_i,     // of a block
  input  logic [AWidth-1:0]    a_code_i,   // element
  input  logic [A.scale_w-1:0] a_scale_i,  // its block's scale code
  input  logic [BWidth-1:0]    b_code_i,   // element
  input  logic [B.scale_w-1:0] b_scale_i,  // its block's scale code
  output logic [AccWidth-1:0]  acc_o       // sum of the complete blocks
);
  if (!is_mx(AMx)) begin : gen_illegal_a
    $fatal(1, "plena_mx_mac: no MX format: AMx=%s", mx_text(AMx));
  end
  if (!is_mx(BMx)) begin : gen_illegal_b
    $fatal(1, "plena_mx_mac: no MX format: BMx=%s", mx_text(BMx));
  end
  if (B.block_size != BlockSize) begin : gen_illegal_block
    $fatal(1, "plena_mx_mac: blocks of %0d and %0d elements (AMx, BMx), must be equal",
           A.block_size, B.block_size);
  end
  if (!is_scalar(AccFmt)) begin : gen_illegal_acc
    $fatal(1, "plena_mx_mac: no format: AccFmt=%s", fmt_text(AccFmt));
  end

  // Step 1: the exact sum of the block's products, the sum of the scale codes.
  localparam int unsigned ProductW  = mx_product_width(A.elem, B.elem);
  localparam int unsigned SumW      = ProductW + $clog2(BlockSize);
  localparam int unsigned ScaleSumW = scale_sum_width(A, B);
  // What the products of a whole block together have too much; modulo 2^SumW the order in which it
  // is taken off does not matter.
  localparam logic [SumW-1:0] Offset =
      SumW'(BlockSize) * SumW'(mx_product_offset(A.elem, B.elem));

  logic [ProductW-1:0]  product;
  logic                 special, begins;
  logic [SumW-1:0]      sum_d, sum_q;            // two's complement when the block is complete
  logic                 special_d, special_q;
  logic                 open_q;                  // a block is begun and not complete
  logic                 s1_valid_q, s1_first_q, scale_nan_q;
  logic [ScaleSumW-1:0] scale_q;

  plena_mx_product #(
    .AFmt(elem_fmt(AMx)), .BFmt(elem_fmt(BMx))
  ) u_product (
    .a_i(a_code_i), .b_i(b_code_i), .product_o(product), .special_o(special)
  );

  assign begins    = first_i || !open_q;
  assign sum_d     = (begins ? -Offset : sum_q) + SumW'(product);
  assign special_d = (!begins && special_q) || special;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      s1_valid_q  <= 1'b0;
      s1_first_q  <= 1'b0;
      open_q      <= 1'b0;
      sum_q       <= '0;
      special_q   <= 1'b0;
      scale_nan_q <= 1'b0;
      scale_q     <= '0;
    end else if (enable_i) begin
      s1_valid_q <= valid_i;
      if (valid_i) begin
        s1_first_q  <= first_i;
        open_q      <= !last_i;
        sum_q       <= sum_d;
        special_q   <= special_d;
        scale_nan_q <= (has_scale_nan(A) && a_scale_i == '1)
                    || (has_scale_nan(B) && b_scale_i == '1);
        scale_q     <= ScaleSumW'(a_scale_i) + ScaleSumW'(b_scale_i);
      end
    end
  end

  // Step 2: the partial; it means something when the block is complete.
  logic                s2_valid_q, s2_first_q, s2_last_q;
  logic [AccWidth-1:0] partial, partial_q;

  plena_mx_partial_core #(
    .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt)
  ) u_partial (
    .sum_i(sum_q), .scale_i(scale_q), .nan_i(special_q || scale_nan_q), .partial_o(partial)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      s2_valid_q <= 1'b0;
      s2_first_q <= 1'b0;
      s2_last_q  <= 1'b0;
      partial_q  <= '0;
    end else if (enable_i) begin
      s2_valid_q <= s1_valid_q;
      if (s1_valid_q) begin
        s2_first_q <= s1_first_q;
        s2_last_q  <= !open_q;
        partial_q  <= partial;
      end
    end
  end

  // Step 3: the accumulator.
  logic [AccWidth-1:0] next, acc_q;

  plena_mx_accumulate_core #(
    .Fmt(AccFmt)
  ) u_accumulate (
    .acc_i(acc_q), .partial_i(partial_q), .first_i(s2_first_q), .last_i(s2_last_q), .acc_o(next)
  );

  assign acc_o = acc_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) acc_q <= '0;
    else if (enable_i && s2_valid_q) acc_q <= next;
  end
endmodule
