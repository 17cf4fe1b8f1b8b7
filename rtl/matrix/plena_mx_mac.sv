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
  parameter  int unsigned AExpW       = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW       = 6,
  parameter  int          ABias       = 0,
  parameter  int unsigned ASpecials   = SpecialsNone,
  parameter  int unsigned AScaleW     = 8,
  parameter  int unsigned BExpW       = 0,
  parameter  int unsigned BManW       = 6,
  parameter  int          BBias       = 0,
  parameter  int unsigned BSpecials   = SpecialsNone,
  parameter  int unsigned BScaleW     = 8,
  parameter  int unsigned BlockSize   = 32,
  parameter  int unsigned AccExpW     = 8,              // 0: fixed point, AccIntW.AccManW bits
  parameter  int unsigned AccManW     = 23,
  parameter  int          AccBias     = 127,
  parameter  int unsigned AccSpecials = SpecialsIeee,
  parameter  int unsigned AccIntW     = 2,
  parameter  bit          AccWrap     = 1'b0,
  localparam int unsigned AWidth      = AExpW == 0 ? 2 + AManW : 1 + AExpW + AManW,
  localparam int unsigned BWidth      = BExpW == 0 ? 2 + BManW : 1 + BExpW + BManW,
  localparam int unsigned AccWidth    = AccExpW == 0 ? AccIntW + AccManW : 1 + AccExpW + AccManW
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                enable_i,
  input  logic                valid_i,
  input  logic                first_i,  // of a sum
  input  logic                last_i,   // of a block
  input  logic [AWidth-1:0]   a_code_i,
  input  logic [AScaleW-1:0]  a_scale_i,
  input  logic [BWidth-1:0]   b_code_i,
  input  logic [BScaleW-1:0]  b_scale_i,
  output logic [AccWidth-1:0] acc_o
);
  if (!is_mx_element(AExpW, AManW, ABias, ASpecials)) begin : gen_illegal_a
    $fatal(1, "plena_mx_mac: no MX element has AExpW=%0d AManW=%0d ABias=%0d ASpecials=%0d",
           AExpW, AManW, ABias, ASpecials);
  end
  if (!is_mx_element(BExpW, BManW, BBias, BSpecials)) begin : gen_illegal_b
    $fatal(1, "plena_mx_mac: no MX element has BExpW=%0d BManW=%0d BBias=%0d BSpecials=%0d",
           BExpW, BManW, BBias, BSpecials);
  end
  if (!is_mx_block(BlockSize, AScaleW) || !is_mx_block(BlockSize, BScaleW))
  begin : gen_illegal_block
    $fatal(1, "plena_mx_mac: BlockSize=%0d (1..4096), AScaleW=%0d BScaleW=%0d (2..8)",
           BlockSize, AScaleW, BScaleW);
  end
  if (!is_scalar(AccExpW, AccManW, AccBias, AccSpecials, AccIntW)) begin : gen_illegal_acc
    $fatal(1, "plena_mx_mac: no format has AccExpW=%0d AccManW=%0d AccBias=%0d AccSpecials=%0d",
           AccExpW, AccManW, AccBias, AccSpecials, " AccIntW=%0d", AccIntW);
  end

  // Step 1: the exact sum of the block's products, the sum of the scale codes.
  localparam int unsigned ProductW  = mx_product_width(AExpW, AManW, ASpecials,
                                                       BExpW, BManW, BSpecials);
  localparam int unsigned SumW      = ProductW + $clog2(BlockSize);
  localparam int unsigned ScaleSumW = max(AScaleW, BScaleW) + 1;
  // What the products of a whole block together have too much; modulo 2^SumW the order in which it
  // is taken off does not matter.
  localparam logic [SumW-1:0] Offset =
      SumW'(BlockSize) * SumW'(mx_product_offset(AExpW, AManW, ASpecials, BExpW, BManW, BSpecials));

  logic [ProductW-1:0]  product;
  logic                 special, begins;
  logic [SumW-1:0]      sum_d, sum_q;            // two's complement when the block is complete
  logic                 special_d, special_q;
  logic                 open_q;                  // a block is begun and not complete
  logic                 s1_valid_q, s1_first_q, scale_nan_q;
  logic [ScaleSumW-1:0] scale_q;

  plena_mx_product #(
    .AExpW(AExpW), .AManW(AManW), .ASpecials(ASpecials),
    .BExpW(BExpW), .BManW(BManW), .BSpecials(BSpecials)
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
        scale_nan_q <= (AScaleW == 8 && a_scale_i == '1) || (BScaleW == 8 && b_scale_i == '1);
        scale_q     <= ScaleSumW'(a_scale_i) + ScaleSumW'(b_scale_i);
      end
    end
  end

  // Step 2: the partial; it means something when the block is complete.
  logic                s2_valid_q, s2_first_q, s2_last_q;
  logic [AccWidth-1:0] partial, partial_q;

  plena_mx_partial_core #(
    .AExpW(AExpW), .AManW(AManW), .ABias(ABias), .ASpecials(ASpecials), .AScaleW(AScaleW),
    .BExpW(BExpW), .BManW(BManW), .BBias(BBias), .BSpecials(BSpecials), .BScaleW(BScaleW),
    .BlockSize(BlockSize),
    .AccExpW(AccExpW), .AccManW(AccManW), .AccBias(AccBias), .AccSpecials(AccSpecials),
    .AccIntW(AccIntW), .AccWrap(AccWrap)
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
    .AccExpW(AccExpW), .AccManW(AccManW), .AccSpecials(AccSpecials), .AccIntW(AccIntW),
    .AccWrap(AccWrap)
  ) u_accumulate (
    .acc_i(acc_q), .partial_i(partial_q), .first_i(s2_first_q), .last_i(s2_last_q), .acc_o(next)
  );

  assign acc_o = acc_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) acc_q <= '0;
    else if (enable_i && s2_valid_q) acc_q <= next;
  end
endmodule
