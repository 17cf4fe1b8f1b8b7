// SPDX-License-Identifier: Apache-2.0
//
// Stream of correctly rounded differences of two codes of one minifloat: y = RN(a - b).
//
// Golden twin: golden.ops.sub.
// Method:     plena_fp_exact_sum with the sign of b flipped, a register if Stages is 2,
//             plena_fp_sum_round, a register.
// Latency:    Stages cycles; one result a cycle.
// Specials:   as plena_fp_add, of a and -b.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_sub
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Bf16,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  parameter  int unsigned Stages   = 1,  // registers; 2: one more before rounding
  localparam fmt_t        F        = minifloat_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [Width-1:0] a_i,          // minuend
  input  logic [Width-1:0] b_i,          // subtrahend
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [Width-1:0] y_o           // rounded difference
);
  localparam int unsigned Latency = Stages;

  if (!is_minifloat(Fmt)) begin : gen_illegal
    $fatal(1, "plena_fp_sub: no minifloat: Fmt=%s", fmt_text(Fmt));
  end
  if (Stages != 1 && Stages != 2) begin : gen_illegal_stages
    $fatal(1, "plena_fp_sub: Stages=%0d, must be 1 or 2", Stages);
  end

  localparam int unsigned SumW = fp_sum_width(F);

  typedef struct packed {
    logic               sign;
    logic [F.exp_w-1:0] exp;
    logic [SumW-1:0]    sum;
    logic               inf;
    logic               nan;
  } exact_t;

  exact_t           exact, cut;
  logic             cut_valid, cut_ready;
  logic [Width-1:0] y;

  plena_fp_exact_sum #(
    .Fmt(Fmt), .Rounding(Rounding), .BFlipped(1'b1)
  ) u_sum (
    .a_i, .b_i({!b_i[Width-1], b_i[Width-2:0]}),
    .sign_o(exact.sign), .exp_o(exact.exp), .sum_o(exact.sum), .inf_o(exact.inf), .nan_o(exact.nan)
  );

  plena_stream_cut #(
    .Width($bits(exact_t)), .Cut(Stages > 1)
  ) u_cut (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(exact),
    .out_valid_o(cut_valid), .out_ready_i(cut_ready), .out_data_o(cut)
  );

  plena_fp_sum_round #(
    .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate)
  ) u_round (
    .sign_i(cut.sign), .exp_i(cut.exp), .sum_i(cut.sum), .inf_i(cut.inf), .nan_i(cut.nan), .y_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i(cut_valid), .in_ready_o(cut_ready), .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
