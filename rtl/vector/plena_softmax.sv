// SPDX-License-Identifier: Apache-2.0
//
// Softmax of one row: e = exp(x - max x), y = e * reciprocal(sum e), every step rounded.
//
// Golden twin: golden.ops.softmax.
// Method:     maximum of the row | difference | exponential | sum of the row | reciprocal |
//             product. Lane 0 is in the least significant bits; a masked lane takes no part and
//             is +0.
// Latency:    17 + 2 clog2(Lanes) cycles; one row a cycle.
// Specials:   +Inf or NaN makes its row NaN; a row of nothing but -Inf is NaN, 0 without Inf.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_softmax
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt    = Bf16,
  parameter  int unsigned RedFmt = Fp32,  // of sums and maxima
  parameter  int unsigned Lanes  = 8,
  localparam fmt_t        F      = minifloat_of(Fmt),
  localparam int unsigned Width  = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] x_i,          // row, lane 0 lowest
  input  logic [Lanes-1:0]            mask_i,       // lanes that take part
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // row, lane 0 lowest
);
  localparam int unsigned Latency = 2 * row_latency(Lanes) + function_latency(FunctionExp)
                                  + function_latency(FunctionReciprocal) + 2;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_softmax: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (!is_minifloat(RedFmt)) begin : gen_illegal_red
    $fatal(1, "plena_softmax: no minifloat: RedFmt=%s", fmt_text(RedFmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_softmax: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] s1_x, d, s2_d, s3_e, s4_e, s5_e, y;
  logic [Lanes-1:0]            s1_mask, s2_mask, s3_mask, s4_mask, s5_mask;
  logic            [Width-1:0] s1_largest, s4_total, s5_factor;
  logic s1_valid, s1_ready, s2_valid, s2_ready, s3_valid, s3_ready, s4_valid, s4_ready, s5_valid;
  logic s5_ready;

  plena_reduce_row #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes), .Largest(1'b1), .SideW(Lanes * (Width + 1))
  ) u_max (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .x_i, .mask_i, .side_i({x_i, mask_i}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .y_o(s1_largest), .side_o({s1_x, s1_mask})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_sub
    plena_fp_add_core #(
      .Fmt(Fmt), .BFlipped(1'b1)
    ) u_sub (
      .a_i(s1_x[lane]), .b_i(s1_largest ^ {1'b1, (Width - 1)'(0)}), .y_o(d[lane])
    );
  end

  plena_stream_reg #(
    .Width(Lanes * (Width + 1))
  ) u_difference (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i({s1_mask, d}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .out_data_o({s2_mask, s2_d})
  );

  plena_function_lanes #(
    .Function(FunctionExp), .Fmt(Fmt), .Lanes(Lanes), .SideW(Lanes)
  ) u_exp (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .a_i(s2_d), .side_i(s2_mask),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready), .y_o(s3_e), .side_o(s3_mask)
  );

  plena_reduce_row #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes), .Largest(1'b0), .SideW(Lanes * (Width + 1))
  ) u_sum (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready),
    .x_i(s3_e), .mask_i(s3_mask), .side_i({s3_e, s3_mask}),
    .out_valid_o(s4_valid), .out_ready_i(s4_ready), .y_o(s4_total), .side_o({s4_e, s4_mask})
  );

  plena_function_lanes #(
    .Function(FunctionReciprocal), .Fmt(Fmt), .Lanes(1), .SideW(Lanes * (Width + 1))
  ) u_reciprocal (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready), .a_i(s4_total), .side_i({s4_e, s4_mask}),
    .out_valid_o(s5_valid), .out_ready_i(s5_ready), .y_o(s5_factor), .side_o({s5_e, s5_mask})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_mul
    logic[Width-1:0] product;
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_mul (
      .a_i(s5_e[lane]), .b_i(s5_factor), .y_o(product)
    );
    assign y[lane] = product & {Width{s5_mask[lane]}};
  end

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s5_valid), .in_ready_o(s5_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
