// SPDX-License-Identifier: Apache-2.0
//
// SiLU of each lane: y = RN(x * RN(1 / RN(1 + RN(e^-x)))).
//
// Golden twin: golden.ops.silu.
// Method:     exponential | 1 + it | reciprocal | times x. Lane 0 is in the least significant bits.
// Latency:    11 cycles; one vector a cycle.
// Specials:   -Inf gives -Inf * 0 = NaN; overflow saturates, see plena_round.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_silu
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
  localparam int unsigned Latency = silu_latency();

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_silu: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_silu: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] negated, s1_x, s1_exp, sum, s2_x, s2_sum, s3_x, factor, y;
  logic            [Width-1:0] one;
  logic                        s1_valid, s1_ready, s2_valid, s2_ready, s3_valid, s3_ready;

  plena_fp_constant #(
    .Fmt(Fmt)
  ) u_one (
    .code_o(one)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_negate
    plena_fp_neg_core #(
      .Fmt(Fmt)
    ) u_neg (
      .a_i(x_i[lane]), .y_o(negated[lane])
    );
  end

  plena_function_lanes #(
    .Function(FunctionExp), .Fmt(Fmt), .Lanes(Lanes), .SideW(Lanes * Width)
  ) u_exp (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .a_i(negated), .side_i(x_i),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .y_o(s1_exp), .side_o(s1_x)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_add
    plena_fp_add_core #(
      .Fmt(Fmt)
    ) u_add (
      .a_i(one), .b_i(s1_exp[lane]), .y_o(sum[lane])
    );
  end

  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_sum (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .in_data_i({s1_x, sum}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .out_data_o({s2_x, s2_sum})
  );

  plena_function_lanes #(
    .Function(FunctionReciprocal), .Fmt(Fmt), .Lanes(Lanes), .SideW(Lanes * Width)
  ) u_reciprocal (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .a_i(s2_sum), .side_i(s2_x),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready), .y_o(factor), .side_o(s3_x)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_mul
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_mul (
      .a_i(s3_x[lane]), .b_i(factor[lane]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
