// SPDX-License-Identifier: Apache-2.0
//
// One row divided by its root mean square, times a gain, every step rounded.
//
// Golden twin: golden.ops.rms_norm.
// Method:     squares | sum of the row | times 1/n | plus eps | square root | reciprocal | times x
//             | times gamma. Lane 0 is in the least significant bits.
// Latency:    rms_norm_latency(Lanes) = 14 + clog2(Lanes) cycles; one row a cycle.
// Specials:   those of the steps; squares saturate.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_rms_norm
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
  input  logic [Lanes-1:0][Width-1:0] gamma_i,      // gain of each lane
  input  logic            [Width-1:0] eps_i,        // added to the mean of the squares
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // row, lane 0 lowest
);
  localparam int unsigned Latency = rms_norm_latency(Lanes);

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_rms_norm: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (!is_minifloat(RedFmt)) begin : gen_illegal_red
    $fatal(1, "plena_rms_norm: no minifloat: RedFmt=%s", fmt_text(RedFmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_rms_norm: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] square, scaled, y, s1_square, s7_gamma, s7_scaled;
  logic [Lanes-1:0][Width-1:0] s1_x, s2_x, s3_x, s4_x, s5_x, s6_x;
  logic [Lanes-1:0][Width-1:0] s1_gamma, s2_gamma, s3_gamma, s4_gamma, s5_gamma, s6_gamma;
  logic            [Width-1:0] inverse, mean, moved, s1_eps, s2_eps, s3_eps;
  logic            [Width-1:0] s2_total, s3_mean, s4_moved, s5_root, s6_factor;
  logic s1_valid, s1_ready, s2_valid, s2_ready, s3_valid, s3_ready, s4_valid, s4_ready, s5_valid;
  logic s5_ready, s6_valid, s6_ready, s7_valid, s7_ready;

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(reciprocal_sig(Lanes)), .Exp(-int'($clog2(Lanes)))
  ) u_inverse (
    .code_o(inverse)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_square
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_square (
      .a_i(x_i[lane]), .b_i(x_i[lane]), .y_o(square[lane])
    );
  end

  plena_stream_reg #(
    .Width((3 * Lanes + 1) * Width)
  ) u_squares (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({square, x_i, gamma_i, eps_i}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_square, s1_x, s1_gamma, s1_eps})
  );

  plena_reduce_row #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes), .Largest(1'b0), .SideW((2 * Lanes + 1) * Width)
  ) u_sum (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .x_i(s1_square), .mask_i('1), .side_i({s1_x, s1_gamma, s1_eps}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready),
    .y_o(s2_total), .side_o({s2_x, s2_gamma, s2_eps})
  );

  plena_fp_mul_core #(
    .Fmt(Fmt)
  ) u_mean (
    .a_i(s2_total), .b_i(inverse), .y_o(mean)
  );
  plena_stream_reg #(
    .Width((2 * Lanes + 2) * Width)
  ) u_mean_reg (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i({s2_x, s2_gamma, s2_eps, mean}),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready), .out_data_o({s3_x, s3_gamma, s3_eps, s3_mean})
  );

  plena_fp_add_core #(
    .Fmt(Fmt)
  ) u_eps (
    .a_i(s3_mean), .b_i(s3_eps), .y_o(moved)
  );
  plena_stream_reg #(
    .Width((2 * Lanes + 1) * Width)
  ) u_eps_reg (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready), .in_data_i({s3_x, s3_gamma, moved}),
    .out_valid_o(s4_valid), .out_ready_i(s4_ready), .out_data_o({s4_x, s4_gamma, s4_moved})
  );

  plena_function_lanes #(
    .Function(FunctionSqrt), .Fmt(Fmt), .Lanes(1), .SideW(2 * Lanes * Width)
  ) u_sqrt (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready), .a_i(s4_moved), .side_i({s4_x, s4_gamma}),
    .out_valid_o(s5_valid), .out_ready_i(s5_ready), .y_o(s5_root), .side_o({s5_x, s5_gamma})
  );

  plena_function_lanes #(
    .Function(FunctionReciprocal), .Fmt(Fmt), .Lanes(1), .SideW(2 * Lanes * Width)
  ) u_reciprocal (
    .clk_i, .rst_ni,
    .in_valid_i(s5_valid), .in_ready_o(s5_ready), .a_i(s5_root), .side_i({s5_x, s5_gamma}),
    .out_valid_o(s6_valid), .out_ready_i(s6_ready), .y_o(s6_factor), .side_o({s6_x, s6_gamma})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_scale
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_scale (
      .a_i(s6_x[lane]), .b_i(s6_factor), .y_o(scaled[lane])
    );
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_gain (
      .a_i(s7_scaled[lane]), .b_i(s7_gamma[lane]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_scaled (
    .clk_i, .rst_ni,
    .in_valid_i(s6_valid), .in_ready_o(s6_ready), .in_data_i({s6_gamma, scaled}),
    .out_valid_o(s7_valid), .out_ready_i(s7_ready), .out_data_o({s7_gamma, s7_scaled})
  );

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s7_valid), .in_ready_o(s7_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
