// SPDX-License-Identifier: Apache-2.0
//
// One step of an ordered accumulation, as plena_mx_accumulate_core makes it, in two cycles.
//
// Golden twin: golden.ops.dot.accumulate.
// Contract:   as plena_mx_accumulate_core.
// Method:     exact sum | normalise and round once, a register between them. Fixed point rounds
//             nothing: the register is after the sum.
// Specials:   as plena_mx_accumulate_core, saturating.
// Latency:    1 cycle, of those with enable_i.
// Reset:      none.
module plena_mx_accumulate_staged
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Fp32,  // minifloat or fixed point
  localparam fmt_t        F     = fmt_of(Fmt),
  localparam int unsigned Width = F.width
) (
  input  logic             clk_i,      // clock
  input  logic             enable_i,   // step
  input  logic [Width-1:0] acc_i,      // sum so far
  input  logic [Width-1:0] partial_i,  // the block's partial
  input  logic             first_i,    // the sum starts at +0
  input  logic             last_i,     // the block is complete
  output logic [Width-1:0] acc_o       // sum
);
  logic [Width-1:0] previous, previous_q, next;
  logic             last_q;

  assign previous = first_i ? '0 : acc_i;
  assign acc_o    = last_q ? next : previous_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      previous_q <= previous;
      last_q     <= last_i;
    end
  end

  if (F.exp_w == 0) begin : gen_fixed
    logic [Width-1:0] sum;

    plena_fixed_add_core #(
      .Fmt(Fmt)
    ) u_add (
      .a_i(previous), .b_i(partial_i), .y_o(sum)
    );

    always_ff @(posedge clk_i) if (enable_i) next <= sum;
  end else begin : gen_minifloat
    localparam int unsigned SumW = fp_sum_width(F);

    typedef struct packed {
      logic               sign;
      logic [F.exp_w-1:0] exp;
      logic [SumW-1:0]    sum;
      logic               inf;
      logic               nan;
    } exact_t;

    exact_t exact, exact_q;

    plena_fp_exact_sum #(
      .Fmt(Fmt)
    ) u_sum (
      .a_i(previous), .b_i(partial_i), .sign_o(exact.sign), .exp_o(exact.exp),
      .sum_o(exact.sum), .inf_o(exact.inf), .nan_o(exact.nan)
    );

    always_ff @(posedge clk_i) if (enable_i) exact_q <= exact;

    plena_fp_sum_round #(
      .Fmt(Fmt)
    ) u_round (
      .sign_i(exact_q.sign), .exp_i(exact_q.exp), .sum_i(exact_q.sum), .inf_i(exact_q.inf),
      .nan_i(exact_q.nan), .y_o(next)
    );
  end
endmodule
