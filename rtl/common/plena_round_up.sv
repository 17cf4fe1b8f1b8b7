// SPDX-License-Identifier: Apache-2.0
//
// Whether a truncated magnitude must be incremented: the rounding decision, for every destination.
//
// Golden twin: golden.rounding.round_to_unit.
// Method:     lsb_i is the last kept bit, guard_i the first discarded one, sticky_i the OR of the
//             others.
// Latency:    combinational.
module plena_round_up
  import plena_pkg::*;
#(
  parameter int unsigned Rounding = RoundNearestEven
) (
  input  logic sign_i,    // sign
  input  logic lsb_i,     // last kept bit
  input  logic guard_i,   // first bit cut off
  input  logic sticky_i,  // OR of the bits after it
  output logic up_o       // one more in the last place
);
  if (Rounding > RoundDown) begin : gen_illegal
    $fatal(1, "plena_round_up: Rounding=%0d, allowed 0 rne, 1 rna, 2 rtz, 3 rup, 4 rdown",
           Rounding);
  end

  always_comb begin
    case (Rounding)
      RoundNearestEven: up_o = guard_i & (sticky_i | lsb_i);
      RoundNearestAway: up_o = guard_i;
      RoundUp:          up_o = (guard_i | sticky_i) & !sign_i;
      RoundDown:        up_o = (guard_i | sticky_i) & sign_i;
      default:          up_o = 1'b0;
    endcase
  end

  // Not every mode looks at every bit.
  logic unused_inputs;
  assign unused_inputs = ^{sign_i, lsb_i, guard_i, sticky_i};
endmodule
