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
  parameter  int unsigned ExpW        = 8,
  parameter  int unsigned ManW        = 7,
  parameter  int          Bias        = 127,
  parameter  int unsigned Specials    = SpecialsIeee,
  parameter  int unsigned RedExpW     = 8,
  parameter  int unsigned RedManW     = 23,
  parameter  int          RedBias     = 127,
  parameter  int unsigned RedSpecials = SpecialsIeee,
  parameter  int unsigned Lanes       = 8,
  localparam int unsigned Width       = 1 + ExpW + ManW
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        in_valid_i,
  output logic                        in_ready_o,
  input  logic [Lanes-1:0][Width-1:0] x_i,
  input  logic [Lanes-1:0][Width-1:0] gamma_i,
  input  logic            [Width-1:0] eps_i,
  output logic                        out_valid_o,
  input  logic                        out_ready_i,
  output logic [Lanes-1:0][Width-1:0] y_o
);
  localparam int unsigned Latency = rms_norm_latency(Lanes);

  if (!is_minifloat(ExpW, ManW, Bias, Specials) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_rms_norm: no minifloat of up to 16 bits has ExpW=%0d ManW=%0d",
           ExpW, ManW, " Bias=%0d Specials=%0d", Bias, Specials);
  end
  if (!is_minifloat(RedExpW, RedManW, RedBias, RedSpecials)) begin : gen_illegal_red
    $fatal(1, "plena_rms_norm: no minifloat has RedExpW=%0d RedManW=%0d", RedExpW, RedManW,
           " RedBias=%0d RedSpecials=%0d", RedBias, RedSpecials);
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
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials),
    .Sig(reciprocal_sig(Lanes)), .Exp(-int'($clog2(Lanes)))
  ) u_inverse (
    .code_o(inverse)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_square
    plena_fp_mul_core #(
      .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials)
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
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials),
    .RedExpW(RedExpW), .RedManW(RedManW), .RedBias(RedBias), .RedSpecials(RedSpecials),
    .Lanes(Lanes), .Largest(1'b0), .SideW((2 * Lanes + 1) * Width)
  ) u_sum (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .x_i(s1_square), .mask_i('1), .side_i({s1_x, s1_gamma, s1_eps}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready),
    .y_o(s2_total), .side_o({s2_x, s2_gamma, s2_eps})
  );

  plena_fp_mul_core #(
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials)
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
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
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
    .Function(FunctionSqrt), .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials),
    .Lanes(1), .SideW(2 * Lanes * Width)
  ) u_sqrt (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready), .a_i(s4_moved), .side_i({s4_x, s4_gamma}),
    .out_valid_o(s5_valid), .out_ready_i(s5_ready), .y_o(s5_root), .side_o({s5_x, s5_gamma})
  );

  plena_function_lanes #(
    .Function(FunctionReciprocal), .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials),
    .Lanes(1), .SideW(2 * Lanes * Width)
  ) u_reciprocal (
    .clk_i, .rst_ni,
    .in_valid_i(s5_valid), .in_ready_o(s5_ready), .a_i(s5_root), .side_i({s5_x, s5_gamma}),
    .out_valid_o(s6_valid), .out_ready_i(s6_ready), .y_o(s6_factor), .side_o({s6_x, s6_gamma})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_scale
    plena_fp_mul_core #(
      .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials)
    ) u_scale (
      .a_i(s6_x[lane]), .b_i(s6_factor), .y_o(scaled[lane])
    );
    plena_fp_mul_core #(
      .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials)
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
