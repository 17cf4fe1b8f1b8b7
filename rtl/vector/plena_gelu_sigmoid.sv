// SPDX-License-Identifier: Apache-2.0
//
// GELU of each lane by the sigmoid: y = RN(x * RN(sigmoid(RN(x * RN(1.702))))).
//
// Golden twin: golden.ops.gelu_sigmoid.
// Method:     product | sigmoid unit | product. Lane 0 is in the least significant bits.
// Latency:    12 cycles; one vector a cycle.
// Specials:   -Inf gives -Inf * 0 = NaN; overflow saturates, see plena_round.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_gelu_sigmoid
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
  localparam int unsigned Latency = function_latency(FunctionSigmoid) + 2;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_gelu_sigmoid: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_gelu_sigmoid: Lanes=%0d must be at least 1", Lanes);
  end

  logic [Lanes-1:0][Width-1:0] scaled, s1_x, s1_scaled, s2_x, factor, y;
  logic            [Width-1:0] slope;
  logic                        s1_valid, s1_ready, s2_valid, s2_ready;

  plena_fp_constant #(
    .Fmt(Fmt), .Sig(64'hD9DB_22D0_E560_4189), .Exp(0)  // 1.702
  ) u_slope (
    .code_o(slope)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_scale
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_mul (
      .a_i(x_i[lane]), .b_i(slope), .y_o(scaled[lane])
    );
  end

  plena_stream_reg #(
    .Width(2 * Lanes * Width)
  ) u_scaled (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({x_i, scaled}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_x, s1_scaled})
  );

  plena_function_lanes #(
    .Function(FunctionSigmoid), .Fmt(Fmt), .Lanes(Lanes), .SideW(Lanes * Width)
  ) u_sigmoid (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready), .a_i(s1_scaled), .side_i(s1_x),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready), .y_o(factor), .side_o(s2_x)
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_mul
    plena_fp_mul_core #(
      .Fmt(Fmt)
    ) u_mul (
      .a_i(s2_x[lane]), .b_i(factor[lane]), .y_o(y[lane])
    );
  end

  plena_stream_reg #(
    .Width(Lanes * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
