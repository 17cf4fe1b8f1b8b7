// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded exponentials of one minifloat of up to 16 bits: y = RN(e^a).
//
// Golden twin: golden.ops.exp.
// Method:     plena_fp_exp2_parts | round once. The result is exact only for a = 0;
//             everywhere else the sticky bit is set. FracW is so wide that what is cut cannot
//             reach the nearest code or midpoint of any format: tests/rtl/test_fraction_width.py.
// Latency:    5 cycles; one result a cycle.
// Specials:   a zero gives 1, +Inf an exact Inf, -Inf gives +0; NaN is canonical, or the largest
//             value where the format has none.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_exp
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] a_i,          // argument
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] y_o           // rounded result
);
  localparam int unsigned Latency = 5;

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal
    $fatal(1, "plena_fp_exp: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end

  // Beyond 2^WholeW a result is above the largest number, or below half the smallest.
  localparam int          Above   = max_exp_field(F) - F.bias + 2;
  localparam int          Below   = F.bias + int'(F.man_w) + 1;
  localparam int unsigned WholeW  = $clog2(max(max(Above, Below), 2));
  localparam int unsigned FracW   = max(2 * F.man_w + 14, 3 * F.man_w + 6);

  logic             parts_ready, parts_valid, sign, inf, nan, exact, unused_zero;
  logic [WholeW:0]  exp;              // two's complement
  logic [FracW:0]   sig;
  logic [Width-1:0] y;

  plena_fp_exp2_parts #(
    .Fmt(Fmt), .Natural(1'b1), .WholeW(WholeW), .FracW(FracW)
  ) u_parts (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .code_i(a_i),
    .out_valid_o(parts_valid), .out_ready_i(parts_ready), .sign_o(sign), .zero_o(unused_zero),
    .inf_o(inf), .nan_o(nan), .exact_o(exact), .exp_o(exp), .sig_o(sig)
  );

  plena_fp_pack #(
    .Fmt(Fmt), .InW(FracW + 2), .ExpMin(-(1 << WholeW)), .ExpMax((1 << WholeW) - 1), .ExpOffset(0),
    .MaxLz(0), .Rounding(Rounding), .Saturate(Saturate)
  ) u_pack (
    .sign_i(1'b0), .sig_i({sig, !exact} & {(FracW + 2){!inf}}), .exp_i(exp),
    .inf_i(inf && !sign), .nan_i(nan), .code_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(parts_valid), .in_ready_o(parts_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
