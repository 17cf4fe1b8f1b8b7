// SPDX-License-Identifier: Apache-2.0
//
// GELU of each lane by the hyperbolic tangent, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), in
// the form x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), every step rounded.
//
// Golden twin: golden.ops.gelu_tanh.
// Method:     x^2 | x^3 | times 0.044715 | plus x | times 2 sqrt(2/pi) | sigmoid unit | times x.
//             Lane 0 is in the least significant bits.
// Latency:    16 cycles; one vector a cycle.
// Specials:   -Inf gives -Inf * 0 = NaN; overflow saturates, see plena_round.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_gelu_tanh
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  parameter  int unsigned Lanes = 4,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] x_i,          // vector, lane 0 lowest
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // result, lane 0 lowest
);
  localparam int unsigned Latency = function_latency(FunctionSigmoid) + 6;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_gelu_tanh: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_gelu_tanh: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] square, cube, part, inner, scaled, factor, y;
  logic [Lanes-1:0][Width-1:0] s1_x, s1_square, s2_x, s2_cube, s3_x, s3_part, s4_x, s4_inner;
  logic [Lanes-1:0][Width-1:0] s5_x, s5_scaled, s6_x;
  logic            [Width-1:0] cube_gain, slope;
  logic                        s1_valid, s1_ready, s2_valid, s2_ready, s3_valid, s3_ready;
  logic                        s4_valid, s4_ready, s5_valid, s5_ready, s6_valid, s6_ready;

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(64'hB727_136A_400F_BA89), .Exp(-5)  // 0.044715
  ) u_cube_gain (
    .code_o(cube_gain)
  );
  plena_fp_constant #(
    .Fmt(Fmt), .Sig(64'hCC42_299E_A1B2_8469), .Exp(0)  // 2 sqrt(2/pi)
  ) u_slope (
    .code_o(slope)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_steps
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_square (
      .a_i(x_i[lane]), .b_i(x_i[lane]), .y_o(square[lane])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_cube (
      .a_i(s1_square[lane]), .b_i(s1_x[lane]), .y_o(cube[lane])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_part (
      .a_i(cube_gain), .b_i(s2_cube[lane]), .y_o(part[lane])
    );
    plena_fp_add_core #(
      .Fmt(Fmt)
    ) u_inner (
      .a_i(s3_x[lane]), .b_i(s3_part[lane]), .y_o(inner[lane])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_scaled (
      .a_i(slope), .b_i(s4_inner[lane]), .y_o(scaled[lane])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_y (
      .a_i(s6_x[lane]), .b_i(factor[lane]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({x_i, square}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_x, s1_square})
  );
  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i({s1_x, cube}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .out_data_o({s2_x, s2_cube})
  );
  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_stage3 (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i({s2_x, part}),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready), .out_data_o({s3_x, s3_part})
  );
  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_stage4 (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready), .in_data_i({s3_x, inner}),
    .out_valid_o(s4_valid), .out_ready_i(s4_ready), .out_data_o({s4_x, s4_inner})
  );
  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_stage5 (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready), .in_data_i({s4_x, scaled}),
    .out_valid_o(s5_valid), .out_ready_i(s5_ready), .out_data_o({s5_x, s5_scaled})
  );

  plena_function_lanes #(
    .Function(FunctionSigmoid), .Fmt(Fmt), .Lanes(Lanes), .SideW(Lanes * Width)
  ) u_sigmoid (
    .clk_i, .rst_ni,
    .in_valid_i(s5_valid), .in_ready_o(s5_ready), .a_i(s5_scaled), .side_i(s5_x),
    .out_valid_o(s6_valid), .out_ready_i(s6_ready), .y_o(factor), .side_o(s6_x)
  );

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s6_valid), .in_ready_o(s6_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
