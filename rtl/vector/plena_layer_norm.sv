// SPDX-License-Identifier: Apache-2.0
//
// Layer normalisation of one row: rms_norm of the differences from the mean, plus a shift, every
// step rounded.
//
// Golden twin: golden.ops.layer_norm.
// Method:     sum of the row | times 1/n | difference | plena_rms_norm, beta waiting beside it |
//             plus beta. Lane 0 is in the least significant bits.
// Latency:    20 + 2 clog2(Lanes) cycles; one row a cycle.
// Specials:   those of the steps; an Inf or NaN makes its row NaN.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_layer_norm
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
  input  logic [Lanes-1:0][Width-1:0] beta_i,       // shift of each lane
  input  logic            [Width-1:0] eps_i,        // added to the mean of the squares
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] y_o           // row, lane 0 lowest
);
  localparam int unsigned Latency = row_latency(Lanes) + rms_norm_latency(Lanes) + 3;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_layer_norm: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (!is_minifloat(RedFmt)) begin : gen_illegal_red
    $fatal(1, "plena_layer_norm: no minifloat: RedFmt=%s", fmt_text(RedFmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_layer_norm: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] s1_x, s1_gamma, s1_beta, s2_x, s2_gamma, s2_beta, s3_gamma, s3_beta;
  logic [Lanes-1:0][Width-1:0] centred, s3_centred, normed, s4_beta, y;
  logic            [Width-1:0] inverse, mean, s1_total, s1_eps, s2_mean, s2_eps, s3_eps;
  logic                  [1:0] valid, ready;  // of both paths, which move in step
  logic s1_valid, s1_ready, s2_valid, s2_ready, s3_valid, s3_ready;
  logic s4_ready;

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(reciprocal_sig(Lanes)), .Exp(-int'($clog2(Lanes)))
  ) u_inverse (
    .code_o(inverse)
  );

  plena_reduce_row #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes), .Largest(1'b0), .SideW((3 * Lanes + 1) * Width)
  ) u_sum (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .x_i, .mask_i('1), .side_i({x_i, gamma_i, beta_i, eps_i}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .y_o(s1_total), .side_o({s1_x, s1_gamma, s1_beta, s1_eps})
  );

  plena_fp_mul_core #(
    .Fmt(Fmt)
  ) u_mean (
    .a_i(s1_total), .b_i(inverse), .y_o(mean)
  );
  plena_stream_reg #(
    .Width((3 * Lanes + 2) * Width)
  ) u_mean_reg (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .in_data_i({s1_x, s1_gamma, s1_beta, s1_eps, mean}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready),
    .out_data_o({s2_x, s2_gamma, s2_beta, s2_eps, s2_mean})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_sub
    plena_fp_add_core #(
      .Fmt(Fmt), .BFlipped(1'b1)
    ) u_sub (
      .a_i(s2_x[lane]), .b_i(s2_mean ^ {1'b1, (Width - 1)'(0)}), .y_o(centred[lane])
    );
    plena_fp_add_core #(
      .Fmt(Fmt)
    ) u_beta (
      .a_i(normed[lane]), .b_i(s4_beta[lane]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width((3 * Lanes + 1) * Width)
  ) u_centred (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i({centred, s2_gamma, s2_beta, s2_eps}),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready),
    .out_data_o({s3_centred, s3_gamma, s3_beta, s3_eps})
  );

  assign s3_ready = &ready;

  plena_rms_norm #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes)
  ) u_rms_norm (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(ready[0]),
    .x_i(s3_centred), .gamma_i(s3_gamma), .eps_i(s3_eps),
    .out_valid_o(valid[0]), .out_ready_i(s4_ready), .y_o(normed)
  );

  plena_delay #(
    .Width(Lanes * Width), .Depth(rms_norm_latency(Lanes))
  ) u_beta_delay (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(ready[1]), .in_data_i(s3_beta),
    .out_valid_o(valid[1]), .out_ready_i(s4_ready), .out_data_o(s4_beta)
  );

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(&valid), .in_ready_o(s4_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
