// SPDX-License-Identifier: Apache-2.0
//
// Some bits of an exact quotient: quot_o = floor(num_i * 2^QuotW / den_i), and the remainder.
//
// Method:     restoring division, one bit a row. rem_o is num_i of the rows after these, so that
//             a long quotient can be cut into stages; the quotient is exact if it ends at 0.
// Contract:   num_i < den_i.
// Latency:    combinational.
module plena_divide #(
  parameter int unsigned Width = 8,  // of the divisor
  parameter int unsigned QuotW = 8
) (
  input  logic [Width-1:0] num_i,   // dividend, below the divisor
  input  logic [Width-1:0] den_i,   // divisor
  output logic [QuotW-1:0] quot_o,  // quotient, a fraction of QuotW bits
  output logic [Width-1:0] rem_o    // remainder
);
  always_comb begin
    logic [Width+1:0] left;           // twice the remainder minus the divisor, two's complement
    rem_o  = num_i;
    quot_o = '0;
    for (int unsigned row = 0; row < QuotW; row++) begin
      left = {1'b0, rem_o, 1'b0} - {2'b0, den_i};
      quot_o[QuotW-1-row] = !left[Width+1];
      rem_o = left[Width+1] ? Width'({rem_o, 1'b0}) : left[Width-1:0];
    end
  end
endmodule
