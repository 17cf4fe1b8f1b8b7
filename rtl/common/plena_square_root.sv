// SPDX-License-Identifier: Apache-2.0
//
// The integer square root: root_o = floor(sqrt(radicand_i)).
//
// Method:     restoring, one bit of the root a row: what is left must hold 4 * root + 1 to take
//             another one. sticky_o: the radicand is no square.
// Latency:    combinational.
module plena_square_root #(
  parameter int unsigned RootW = 8
) (
  input  logic [2*RootW-1:0] radicand_i,  // radicand
  output logic [RootW-1:0]   root_o,      // its root, cut
  output logic               sticky_o     // something was cut
);
  // The remainder is at most twice the root so far (RootW - 1 bits before the last row), then two
  // places longer.
  localparam int unsigned RemW = RootW + 2;

  always_comb begin
    logic [RemW-1:0] rem;
    logic [RemW:0]   left;            // two's complement
    rem    = '0;
    root_o = '0;
    for (int unsigned row = 0; row < RootW; row++) begin
      rem    = RemW'({rem, radicand_i[2*(RootW-1-row)+:2]});
      left   = {1'b0, rem} - {1'b0, root_o, 2'b01};
      root_o = RootW'({root_o, !left[RemW]});
      rem    = left[RemW] ? rem : left[RemW-1:0];
    end
    sticky_o = rem != '0;
  end
endmodule
