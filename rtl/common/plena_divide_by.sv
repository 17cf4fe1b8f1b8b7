// SPDX-License-Identifier: Apache-2.0
//
// An unsigned number divided by a constant: quot_o = floor(num_i / Divisor), and the remainder.
//
// Method:     long division, one bit a row. A row is as wide as the divisor, not as the number.
// Latency:    combinational.
module plena_divide_by #(
  parameter  int unsigned Width   = 8,
  parameter  int unsigned Divisor = 3,  // 1 or more
  localparam int unsigned RemW    = $clog2(Divisor + 1)
) (
  input  logic [Width-1:0] num_i,   // dividend
  output logic [Width-1:0] quot_o,  // quotient
  output logic [RemW-1:0]  rem_o    // remainder
);
  always_comb begin
    logic [RemW:0] left;  // the remainder so far and the next bit
    rem_o  = '0;
    quot_o = '0;
    for (int unsigned row = 0; row < Width; row++) begin
      left = {rem_o, num_i[Width-1-row]};
      quot_o[Width-1-row] = left >= (RemW + 1)'(Divisor);
      rem_o = quot_o[Width-1-row] ? RemW'(left - (RemW + 1)'(Divisor)) : RemW'(left);
    end
  end
endmodule
