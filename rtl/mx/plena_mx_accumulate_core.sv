// SPDX-License-Identifier: Apache-2.0
//
// One step of an ordered accumulation: RN_acc(acc + partial), from +0 where a sum begins.
//
// Golden twin: golden.ops.dot.accumulate.
// Contract:   first_i puts +0 for acc_i; then partial_i is added if last_i says that its block is
//             complete, and acc_o is what there was before if not.
// Specials:   as plena_fp_add_core; fixed point saturates, or wraps if its format does.
// Latency:    combinational.
module plena_mx_accumulate_core
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt      = Fp32,  // minifloat or fixed point
  parameter  bit          Saturate = 1'b1,
  localparam fmt_t        F        = fmt_of(Fmt),
  localparam int unsigned Width    = F.width
) (
  input  logic [Width-1:0] acc_i,      // sum so far
  input  logic [Width-1:0] partial_i,  // the block's partial
  input  logic             first_i,    // the sum starts at +0
  input  logic             last_i,     // the block is complete
  output logic [Width-1:0] acc_o       // sum
);
  logic [Width-1:0] previous, next;

  assign previous = first_i ? '0 : acc_i;
  assign acc_o    = last_i ? next : previous;

  if (F.exp_w == 0) begin : gen_fixed
    plena_fixed_add_core #(
      .Fmt(Fmt)
    ) u_add (
      .a_i(previous), .b_i(partial_i), .y_o(next)
    );
  end else begin : gen_minifloat
    plena_fp_add_core #(
      .Fmt(Fmt), .Saturate(Saturate)
    ) u_add (
      .a_i(previous), .b_i(partial_i), .y_o(next)
    );
  end
endmodule
